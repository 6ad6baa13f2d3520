"""The few words of W3C WebDriver that the check needs, spoken to chromedriver with the standard library."""

import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def find_programs():
    """Chromium and its driver, or None where they are not installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


class Driver:
    def __init__(self, path, log):
        self.process = subprocess.Popen([path, "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(log, "ab"), text=True)
        port = None
        for line in self.process.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                port = found.group(1)
                break
        if port is None:
            raise SystemExit("chromedriver did not start")
        self.base = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, body=None):
        data = None if method == "GET" or method == "DELETE" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=60) as r:
                return json.loads(r.read())["value"]
        except urllib.error.HTTPError as e:
            value = json.loads(e.read())["value"]
            raise LookupError(f"{method} {path}: {value['error']}: {value['message'].splitlines()[0]}") from None

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Browser:
    """One window. Everything that is fetched and every word on the console is kept."""

    def __init__(self, driver, chromium, width, height, script):
        self.driver = driver
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--lang=zh-CN",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"]
        options = {"binary": chromium, "args": arguments}
        if not script:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        always = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        session = driver.call("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        self.at = f"/session/{session['sessionId']}"
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 800)

    def devtools(self, command, **params):
        return self.driver.call("POST", f"{self.at}/goog/cdp/execute", {"cmd": command, "params": params})

    def open(self, url):
        self.driver.call("POST", f"{self.at}/url", {"url": url})

    def title(self):
        return self.driver.call("GET", f"{self.at}/title")

    def all(self, css):
        found = self.driver.call("POST", f"{self.at}/elements", {"using": "css selector", "value": css})
        return [Element(self, e[ELEMENT]) for e in found]

    def one(self, css):
        found = self.all(css)
        if not found:
            raise LookupError(f"nothing on the page fits {css}")
        return found[0]

    def text(self):
        return self.one("body").text()

    def screenshot(self, path):
        """The whole page, as long as it is."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def content_width(self):
        return self.devtools("Page.getLayoutMetrics")["cssContentSize"]["width"]

    def console(self):
        """What stood on the console since it was last asked."""
        return [f"{e['level']} {e['message']}" for e in self.driver.call("POST", f"{self.at}/se/log", {"type": "browser"})]

    def fetched(self):
        """Addresses asked for since it was last asked, the pages themselves included."""
        entries = self.driver.call("POST", f"{self.at}/se/log", {"type": "performance"})
        events = [json.loads(e["message"])["message"] for e in entries]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def close(self):
        self.driver.call("DELETE", self.at)


class Element:
    def __init__(self, browser, id):
        self.browser, self.at = browser, f"{browser.at}/element/{id}"

    def ask(self, what):
        return self.browser.driver.call("GET", f"{self.at}/{what}")

    def text(self):
        return self.ask("text")

    def style(self, name):
        return self.ask(f"css/{name}")

    def rect(self):
        return self.ask("rect")

    def shown(self):
        return self.ask("displayed")

    def click(self):
        self.browser.driver.call("POST", f"{self.at}/click")

    def type(self, text):
        self.browser.driver.call("POST", f"{self.at}/clear")
        self.browser.driver.call("POST", f"{self.at}/value", {"text": text})

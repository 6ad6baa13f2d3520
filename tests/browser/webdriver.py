"""The few words of W3C WebDriver that the check needs, spoken to chromedriver with the standard library."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

# Seconds for one answer of the browser; none takes a tenth of it.
TIMEOUT = 30
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def find_programs():
    """Chromium and its driver, or None where they are not installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


class Driver:
    def __init__(self, path, log):
        # A group of its own: the browsers are the driver's children, and go with it whatever state they are in. The
        # group's leader waits on a pipe that closes with this process, so that not even SIGKILL leaves one behind.
        leader = ["sh", "-c", '"$0" --port=0 & cat >/dev/null; kill -KILL 0', path]
        with open(log, "ab") as err:
            self.process = subprocess.Popen(leader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True)
        port = None
        for line in self.process.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                port = found.group(1)
                break
        if port is None:
            self.stop()
            raise SystemExit("chromedriver did not start")
        self.base = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, body=None):
        data = None if method == "GET" or method == "DELETE" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=TIMEOUT) as r:
                return json.loads(r.read())["value"]
        except TimeoutError:
            raise LookupError(f"{method} {path} {body or ''}: the browser gave no answer within {TIMEOUT} s") from None
        except urllib.error.HTTPError as e:
            value = json.loads(e.read())["value"]
            raise LookupError(f"{method} {path}: {value['error']}: {value['message'].splitlines()[0]}") from None

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
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
        self.width, self.height = width, height
        self.size(height)

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

    def settled(self):
        """Waits until a page stands still: a press of a button starts a journey that the driver need not have noticed."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            state = self.devtools("Runtime.evaluate", expression="document.readyState")["result"].get("value")
            if state == "complete":
                return
            time.sleep(0.02)
        raise LookupError(f"the page is not complete after {TIMEOUT} s")

    def screenshot(self, path):
        """The whole page, as long as it is: a window of that length is photographed as it stands. (DevTools' own
        "capture beyond viewport" never answers when the page changes under it.)"""
        self.settled()
        height = int(self.devtools("Page.getLayoutMetrics")["cssContentSize"]["height"]) + 1
        self.size(max(height, self.height))
        try:
            Path(path).write_bytes(base64.b64decode(self.driver.call("GET", f"{self.at}/screenshot")))
        finally:
            self.size(self.height)

    def size(self, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=self.width, height=height, deviceScaleFactor=1, mobile=self.width < 800)

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

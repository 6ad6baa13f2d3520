"""Everybody outside the gateways while they are being killed: the bureau, people with links, officers. What the
gateway answers them is written down as a promise; what gets no answer is no promise and is tried again only
where a real client would do so.
"""

import queue
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from gateway import Http, contact_of

BEIJING = timezone(timedelta(hours=8))
RAIN = "11B03"


@dataclass
class Promises:
    """What the gateway answered, kept apart from it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    warnings: dict = field(default_factory=dict)  # identifier -> (id, body)
    answers: list = field(default_factory=list)  # (when, how, callout, contact index or None)
    reports: list = field(default_factory=list)  # callouts whose report was taken

    def answered(self, how, callout, contact=None):
        with self.lock:
            self.answers.append((time.time(), how, callout, contact))

    def reported(self, callout):
        with self.lock:
            self.reports.append(callout)


class Bureau:
    """Posts and, like any careful client, posts the same again until it gets an answer: where there are several
    gateways (`more`), to the next."""

    def __init__(self, base, key, seed, promises, more=()):
        self.doors = [Http(b, key) for b in (base, *more)]
        self.http, self.seed, self.promises = self.doors[0], seed, promises
        self.bodies = {}
        self.count = 0

    def post(self, level, divisions, kind="alert", references=()):
        self.count += 1
        now = datetime.now(BEIJING)
        body = {
            "identifier": f"14050041600000_crash_{self.seed}_{self.count}",
            "sent": now.isoformat(timespec="seconds"),
            "status": "actual",
            "message_type": kind,
            "references": list(references),
        }
        if kind != "cancel":
            body |= {
                "hazard": RAIN,
                "level": level,
                "headline": f"晋城市气象台发布暴雨{'红' if level == 'red' else '橙'}色预警",
                "description": "预计未来3小时，部分乡镇降雨量将达100毫米以上，山洪、地质灾害风险极高。",
                "instruction": "立即转移危险区域群众。",
                "expires": (now + timedelta(hours=6)).isoformat(timespec="seconds"),
                "areas": [{"division": d} for d in divisions],
            }
        self.bodies[body["identifier"]] = body
        return body["identifier"]

    def until_answered(self, identifier, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status, reply = self.http.post("/api/v1/warnings", self.bodies[identifier], timeout=10 if len(self.doors) == 1 else 3)
            if status in (200, 202):
                with self.promises.lock:
                    self.promises.warnings[identifier] = (reply["id"], self.bodies[identifier])
                return reply["id"]
            if status not in (0, 429, 503):
                raise SystemExit(f"{identifier} was refused: {status} {reply}")
            self.http = self.doors[(self.doors.index(self.http) + 1) % len(self.doors)]
            time.sleep(0.05)
        raise SystemExit(f"{identifier} got no answer for {seconds} s")


class Crowd:
    """People with links and officers, each in a thread, until `stop`."""

    def __init__(self, base, token, dice, promises, officers=4):
        self.base, self.token, self.dice, self.promises = base, token, dice, promises
        self.links = queue.Queue()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.reader, daemon=True)]
        self.threads += [threading.Thread(target=self.officer, args=(n, officers), daemon=True) for n in range(officers)]
        self.threads.append(threading.Thread(target=self.desk, daemon=True))
        self.dice_lock = threading.Lock()

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopped.set()
        for t in self.threads:
            t.join(15)

    def roll(self):
        with self.dice_lock:
            return self.dice.random()

    def on_link(self, _address, token):
        if self.roll() < 0.4:
            self.links.put((time.monotonic() + 0.2 + 2 * self.roll(), token))

    def reader(self):
        """Opens links after a while; a preview comes first and must not answer."""
        http = Http(self.base)
        while not self.stopped.is_set():
            try:
                at, token = self.links.get(timeout=0.2)
            except queue.Empty:
                continue
            self.stopped.wait(max(0.0, at - time.monotonic()))
            callout, contact = contact_of(token)
            http.get(f"/a/{token}", timeout=5)
            status, page = http.post(f"/a/{token}", urlencode({"action": "answer"}).encode(), kind="application/x-www-form-urlencoded")
            if status != 200:
                if status == 0:
                    # No answer: the person presses again later.
                    self.links.put((time.monotonic() + 0.5, token))
                continue
            if "本次叫应已结束" not in page:
                self.promises.answered("link", callout, contact)
            if self.roll() < 0.5:
                # Who answers for several places reports for one of them and leaves the others to the officers.
                place = re.search(r'name="place" value="(\d+)"|<option value="(\d+)"', page)
                report = {"place": place and place[place.lastindex] or "", "on_post": True, "to_move": 4, "moved": 4, "note": ""}
                if place and http.post(f"/a/{token}/feedback", report)[0] == 200:
                    self.promises.reported(callout)

    def officer(self, n, of):
        http = Http(self.base, self.token)
        while not self.stopped.wait(0.15):
            status, page = http.get("/api/v1/tasks?limit=200")
            if status != 200:
                continue
            mine = [t for i, t in enumerate(page["items"]) if not t["claimed_by"] and i % of == n]
            if not mine:
                continue
            task = mine[0]
            if http.post(f"/api/v1/tasks/{task['id']}/claim", {})[0] != 200:
                continue
            self.stopped.wait(0.3)
            self.complete(http, task, reached=self.roll() < 0.8)

    def complete(self, http, task, reached):
        done = {"outcome": "read", "note": "已阅"}
        if task["kind"] == "call":
            done = {"outcome": "reached", "reached": "holder", "note": "接通"} if reached else {"outcome": "not_reached", "note": "无人接听"}
        status, _ = http.post(f"/api/v1/tasks/{task['id']}/complete", done)
        if status == 200 and done.get("reached") and task["callout_id"]:
            self.promises.answered("task", task["callout_id"])

    def desk(self):
        """People who ring the duty room: an officer enters their answer."""
        http = Http(self.base, self.token)
        while not self.stopped.wait(0.4):
            with self.promises.lock:
                known = [id for id, _ in self.promises.warnings.values()]
            if not known:
                continue
            warning = known[int(self.roll() * len(known))]
            status, page = http.get(f"/api/v1/warnings/{warning}/callouts?open=true&limit=50")
            if status != 200 or not page["items"]:
                continue
            callout = page["items"][int(self.roll() * len(page["items"]))]
            entered = {"method": "phone", "note": "来电报告"}
            if http.post(f"/api/v1/callouts/{callout['id']}/acknowledge", entered)[0] == 200:
                self.promises.answered("manual", callout["id"])

"""Bringing running gateways to rest and asking them what every check asks: is all ended, are the same warnings the same,
do the gauges and the logs agree.
"""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from gateway import Session

ENDED = ("answered", "reported", "closed")


def to_rest(base, token, promises, seconds=90, officers=4):
    """Officers reach everybody who is left and report for them, until every warning has ended by itself; whether it has."""
    http = Session(base, token)

    def reach(session, c):
        if c["state"] not in ENDED:
            if session.post(f"/api/v1/callouts/{c['id']}/acknowledge", {"method": "phone", "note": "逐一联系"})[0] == 200:
                promises.answered("manual", c["id"])
        elif c["state"] == "answered" and c["feedback"] is None:
            report = {"place": c["posts"][0]["place"], "on_post": True, "note": ""}
            if session.post(f"/api/v1/callouts/{c['id']}/feedback", report)[0] == 200:
                promises.reported(c["id"])

    def work(share):
        session = Session(base, token)
        for c in share:
            reach(session, c)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        listed = http.items("/api/v1/warnings")
        if listed is not None:
            left = [w for w in listed if w["state"] != "closed"]
            if not left:
                return True
            todo = [c for w in left for c in http.items(f"/api/v1/warnings/{w['id']}/callouts") or []]
            todo = [c for c in todo if c["state"] != "closed" and not (c["state"] in ENDED and c["feedback"])]
            with ThreadPoolExecutor(officers) as pool:
                list(pool.map(work, [todo[n::officers] for n in range(officers)]))
        time.sleep(0.5)
    return False


def conservation(base, token, seconds=15):
    """The gauge as exported, once it is 0 or the time is up; None when it never came."""
    http = Session(base, token)
    end = time.monotonic() + seconds
    said = None
    while time.monotonic() < end:
        status, text = http.get("/metrics")
        found = status == 200 and re.search(r"^jiaoying_conservation_difference(?:\{[^}]*\})? (\S+)", text, re.M)
        if found:
            said = float(found.group(1))
            if said == 0:
                return said
        time.sleep(0.5)
    return said


def posted_again(bureau, identifiers):
    """The same warnings again are the same warnings; what is not so."""
    out = []
    for identifier in identifiers:
        status, reply = bureau.http.post("/api/v1/warnings", bureau.bodies[identifier])
        known = bureau.promises.warnings.get(identifier)
        if status != 200 or not reply["duplicate"] or known and reply["id"] != known[0]:
            out.append(f"{identifier} posted again: {status} {reply}")
    return out


def log_faults(path, errors=True):
    """Panics in a gateway's log; `errors`: and whatever else it called an error."""
    lines = path.read_text(errors="replace").splitlines()
    return [f"{path.stem}'s log: {line}" for line in lines if "panicked" in line or errors and re.search(r"\bERROR\b", line)][:20]

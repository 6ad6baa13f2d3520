"""Bringing running gateways to rest and asking them what every check asks: is all ended, are the same warnings the same,
do the gauges and the logs agree.
"""

import re
import time
from datetime import datetime, timedelta, timezone

from bulk import ask_many
from gateway import Session

ENDED = ("answered", "reported", "closed")


def forgotten(bases, token, seconds=90):
    """Before any officer lends a hand, the gateways must have called everybody themselves: waits until no callout is past its
    time without anything done for it. Those that still are, or that have no time at which anything will be done."""
    http = Session(bases[0], token)

    def late():
        found = []
        listed = http.items("/api/v1/warnings")
        if listed is None:
            return ["the warnings could not be listed"]
        for w in listed:
            for state in ("queued", "calling", "overdue") if w["state"] != "closed" else ():
                callouts = http.items(f"/api/v1/warnings/{w['id']}/callouts?state={state}")
                now = datetime.now(timezone.utc)
                if callouts is None:
                    found.append(f"the callouts of {w['id']} could not be listed")
                for c in callouts or []:
                    due = c["next"] and datetime.fromisoformat(c["next"]["at"])
                    # The last rung may leave an overdue one to a task.
                    if due is None and state != "overdue" or due and due + timedelta(seconds=5) < now:
                        found.append(f"callout {c['id']} is {state}, and what was next for it was never done: {c['next']}")
        return found

    end = time.monotonic() + seconds
    while (found := late()) and time.monotonic() < end:
        time.sleep(1)
    return found


def to_rest(bases, token, promises, seconds=90, reports=True):
    """Officers reach everybody who is left, report for them and see to every task, until every warning has ended by itself and
    nobody is rung about a task any more; whether it is so. `bases`: the gateways they do it through; `reports`: whether any are owed."""
    http = Session(bases[0], token)

    def entries():
        """What is left to enter, of every warning that runs."""
        for w in left:
            for c in http.items(f"/api/v1/warnings/{w['id']}/callouts") or []:
                if c["state"] not in ENDED:
                    yield ("manual", c["id"]), "POST", f"/api/v1/callouts/{c['id']}/acknowledge", {"method": "phone", "note": "逐一联系"}
                elif reports and c["state"] == "answered":
                    for place in sorted({p["place"] for p in c["posts"]}):
                        report = {"place": place, "on_post": True, "note": ""}
                        yield ("report", c["id"]), "POST", f"/api/v1/callouts/{c['id']}/feedback", report

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        listed = http.items("/api/v1/warnings")
        if listed is not None:
            left = [w for w in listed if w["state"] != "closed"]
            tasks = http.items("/api/v1/tasks") if not left else []
            if not left and tasks == []:
                return True
            see_to(bases, token, tasks or [])
            for (how, callout), status, _ in ask_many(bases, token, list(entries())):
                if status != 200:
                    continue
                if how == "manual":
                    promises.answered("manual", callout)
                else:
                    promises.reported(callout)
        time.sleep(0.5)
    return False


def see_to(bases, token, tasks):
    """Claims and closes these."""
    def each(act, body):
        return [(t["id"], "POST", f"/api/v1/tasks/{t['id']}/{act}", body(t)) for t in tasks]

    if tasks:
        list(ask_many(bases, token, each("claim", lambda t: {})))
        note = {"outcome": "read", "note": "已阅"}
        list(ask_many(bases, token, each("complete", lambda t: {"outcome": "not_reached", "note": "已处理"} if t["kind"] == "call" else note)))


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


def over_the_rate(sent, per_second, in_flight=256, window=10):
    """A hard rate of an account holds over all gateways, whoever of them comes and goes: what the provider took in any
    `window` seconds, if it was more than was granted. A tenth of a second's worth may leave at once, anew when the parts change
    (ten times in a window at most), and what is in flight may arrive together."""
    most = per_second * (window + 1) + in_flight
    at = sorted(s["at"] / 1000 for s in sent if s["channel"] == "sms")
    first = 0
    for last, when in enumerate(at):
        while at[first] < when - window:
            first += 1
        if last - first + 1 > most:
            return [f"the account took {last - first + 1} messages within {window} s, and grants {per_second} a second"]
    return []


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

#!/usr/bin/env python3
"""Our captured Twilio requests against those of the official client: given the same arguments, the SDK must put the same on
the wire: method, address, Basic authentication, form. Twilio signs no request towards itself, so nothing more can be proved;
a request with one byte changed must differ.

usage: twilio_judge.py DIRECTORY   (requests to the account ACtest with the secret testsecret)
Prints one line a kind, then `N passed, N failed`.
"""
import json
import logging
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from requests import PreparedRequest
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

# A field as it is called on the wire → the client's own argument. What stands in no such list is a field we made up.
ARGUMENTS = {
    "Messages": {"To": "to", "From": "from_", "Body": "body", "StatusCallback": "status_callback", "ValidityPeriod": "validity_period",
                 "MessagingServiceSid": "messaging_service_sid"},
    "Calls": {"To": "to", "From": "from_", "Twiml": "twiml", "Url": "url", "StatusCallback": "status_callback",
              "StatusCallbackEvent": "status_callback_event", "StatusCallbackMethod": "status_callback_method", "Timeout": "timeout",
              "TimeLimit": "time_limit", "MachineDetection": "machine_detection"},
}
LISTS = {"StatusCallbackEvent"}


class Wire(HttpClient):
    """Keeps what would be sent."""

    def __init__(self):
        super().__init__(logging.getLogger(__name__), False)

    def request(self, method, url, params=None, data=None, headers=None, auth=None, timeout=None, allow_redirects=False):
        self.sent = PreparedRequest()
        self.sent.prepare(method=method, url=url, params=params, data=data, headers=headers, auth=auth)
        return Response(201, json.dumps({"sid": "SM0", "date_created": None}))


def official(kind, form):
    """What the client sends for these arguments."""
    wire, arguments = Wire(), {}
    for name, value in form:
        argument = ARGUMENTS[kind][name]
        if name in LISTS:
            arguments.setdefault(argument, []).append(value)
        else:
            arguments[argument] = value
    client = Client("ACtest", "testsecret", http_client=wire)
    {"Messages": client.messages, "Calls": client.calls}[kind].create(**arguments)
    body = wire.sent.body
    return essence(wire.sent.method, wire.sent.url, dict(wire.sent.headers), body.decode() if isinstance(body, bytes) else body)


def essence(method, url, headers, body):
    """What counts; the order of the fields and the host do not."""
    headers = {k.lower(): v for k, v in headers.items()}
    form = sorted(parse_qsl(body or "", keep_blank_values=True, strict_parsing=bool(body)))
    return method, urlsplit(url).path, headers.get("authorization"), headers.get("content-type", "").split(";")[0], form


def differs(path):
    """Why the request is not what the client would send; None when it is. And one that was tampered with."""
    r = json.loads(path.read_text(encoding="utf-8"))
    kind = path.stem.rpartition("_")[2]
    headers = dict(r["headers"])
    if r["method"] != "POST":
        return f"{r['method']} is not how a message is sent"
    form = parse_qsl(r["body"], keep_blank_values=True, strict_parsing=True)
    if odd := [name for name, _ in form if name not in ARGUMENTS[kind]]:
        return f"the client has no argument for {odd}"
    ours, theirs = essence(r["method"], r["url"], headers, r["body"]), official(kind, form)
    if ours != theirs:
        return f"ours {ours}, the client's {theirs}"
    at = r["body"].index("154")
    tampered = {"body": r["body"][:at] + "155" + r["body"][at + 3:], "url": r["url"].replace("ACtest", "ACtesu")}
    if essence(r["method"], r["url"], headers, tampered["body"]) == theirs or essence(r["method"], tampered["url"], headers, r["body"]) == theirs:
        return "a changed byte makes no difference"
    secret = {k: v[:-2] + "x=" if k.lower() == "authorization" else v for k, v in headers.items()}
    if essence(r["method"], r["url"], secret, r["body"]) == theirs:
        return "another secret makes no difference"
    return None


def main():
    passed = failed = 0
    for kind in ARGUMENTS:
        files = [f for f in sorted(Path(sys.argv[1]).glob(f"*_{kind}.json")) if json.loads(f.read_text(encoding="utf-8"))["method"] == "POST"]
        wrong = [(f, why) for f in files if (why := differs(f))]
        for f, why in wrong:
            print(f"  {f}: {why}")
        fits = bool(files) and not wrong
        passed, failed = passed + fits, failed + (not fits)
        print(f"{'ok  ' if fits else 'FAIL'} Twilio {kind}: {len(files) - len(wrong)} of {len(files)} captured requests are what the official client sends")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

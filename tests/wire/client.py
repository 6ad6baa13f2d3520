"""The official Python package signs and posts; run by tests/wire/run. Prints one line a check, then the tally."""

import json
import sys
from datetime import datetime, timedelta, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from standardwebhooks.webhooks import Webhook

BASE, SECRET, OTHER_SECRET = sys.argv[1:4]
NOW = datetime.now(tz=timezone.utc)
results = []


def check(name, good, seen=""):
    results.append(good)
    print(("ok   " if good else "FAIL ") + "python: " + name + ("" if good else f": {seen}"))


def warning(identifier, **more):
    beijing = NOW.astimezone(timezone(timedelta(hours=8))).isoformat(timespec="seconds")
    body = {"identifier": identifier, "sent": beijing, "status": "actual", "message_type": "alert", "hazard": "11B03",
            "level": "yellow", "headline": "沁水县发布暴雨黄色预警", "areas": [{"division": "140521"}]}
    return json.dumps(body | more, ensure_ascii=False)


def post(message_id, text, when=NOW, secret=SECRET, sent=None):
    signature = Webhook(secret).sign(message_id, when, text)
    headers = {"content-type": "application/json", "webhook-id": message_id, "webhook-timestamp": str(int(when.timestamp())),
               "webhook-signature": signature}
    request = Request(BASE + "/api/v1/warnings", data=(sent or text).encode(), headers=headers, method="POST")
    try:
        with urlopen(request, timeout=20) as response:
            return response.status, json.load(response), dict(response.headers)
    except HTTPError as error:
        return error.code, json.load(error), dict(error.headers)


status, body, headers = post("msg_py_1", warning("py-1"))
check("a signed post is accepted with its Location", status == 202 and headers.get("location") == f"/api/v1/warnings/{body['id']}", (status, body))
status, again, _ = post("msg_py_1", warning("py-1"))
check("the very same post again is the same warning", status == 200 and again["duplicate"] and again["id"] == body["id"], (status, again))
status, again, _ = post("msg_py_1", warning("py-2"))
check("a used webhook-id for another message is refused", status == 409, (status, again))
for minutes in (-6, 6):
    status, again, _ = post(f"msg_py_old{minutes}", warning("py-3"), NOW + timedelta(minutes=minutes))
    check(f"{abs(minutes)} minutes {'ago' if minutes < 0 else 'ahead'} is outside the window", status == 401, (status, again))
status, again, _ = post("msg_py_4m", warning("py-4"), NOW - timedelta(minutes=4))
check("four minutes ago is inside the window", status == 202, (status, again))
status, again, _ = post("msg_py_5", warning("py-5"), sent=warning("py-5 "))
check("a changed byte fits no signature", status == 401 and again["type"].endswith(":unauthorized"), (status, again))
status, again, _ = post("msg_py_6", warning("py-6"), secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
check("a stranger's secret is refused", status == 401, (status, again))
status, again, _ = post("msg_py_7", warning("py-7", areas=[{"division": "140402"}]))
check("an area wholly outside the issuer's rights is 403", status == 403, (status, again))
status, again, _ = post("msg_py_8", warning("py-8", hazard="11G01"))
check("a hazard outside the issuer's rights is 403", status == 403, (status, again))

# The second issuer may post three a minute.
answers = [post(f"msg_rate_{n}", warning(f"rate-{n}"), secret=OTHER_SECRET) for n in range(4)]
check("past its rate an issuer is told to come back", [a[0] for a in answers] == [202, 202, 202, 429], [a[0] for a in answers])
retry = answers[-1][2].get("retry-after", "")
check("… and when", retry.isdigit() and int(retry) >= 1, retry)
status, again, _ = post("msg_rate_red", warning("rate-red", level="red"), secret=OTHER_SECRET)
check("a red warning is never turned away by it", status == 202, (status, again))
status, again, _ = post("msg_py_9", warning("py-9"))
check("another issuer's rate is its own", status == 202, (status, again))

print(f"{results.count(True)} passed, {results.count(False)} failed")
sys.exit(0 if all(results) else 1)

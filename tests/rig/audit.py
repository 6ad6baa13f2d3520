"""After the last blow, with everything at rest: the promises and the stand-in's own count against what the
gateway says, by its public API. Whatever does not fit is a finding, one readable line each.
"""

import re
import time
import unicodedata
from collections import Counter, defaultdict
from datetime import datetime

from bulk import ask_many
from gateway import attempt_of

OPEN = {"queued", "calling", "overdue", "handed_over", "unreachable"}
# The ordinal of calls to the shift's leader about a warning's own task; they belong to no callout (the gateway's duty_call).
DESK = 2**21 - 1
# Messages of which one person gets one in one callout; a chase, a request to take over or a call may be repeated.
ONCE = {"callout", "renewed", "end", "info"}
# Messages that still want the answer of somebody who was called out.
ASKS = {"callout", "chase", "deputy"}
# The same in the words of the timeline, which has one such line for every attempt, in their order.
QUEUED = re.compile(r"^(叫应|催办|请代理人应答|请求接办|预警更新|反馈提醒|结束通知|告知|询问是哪一条|告知已结束)：向.*发")
ONCE_ZH = {"叫应", "预警更新", "结束通知", "告知"}
UNKNOWN = re.compile(r"^第(\d+)条（.*?）结果未知")
ANSWERED = re.compile(r"^已叫应（")
EVIDENCE = re.compile(r"^(应答：|已叫应（|再次应答，留存（)")
VIA = {"link": "链接", "reply": "短信回复", "mid_call": "电话按键", "manual": "接口", "task": "接口"}
ESCALATES = re.compile(r"^(进入第|超过应答时限|(叫应|催办|请代理人应答)：向)")
# What an unclaimed task brings about, whether it is about an answer, a report or a reply to be read.
RINGS_LEADER = re.compile(r"^(加叫|请求接办：向)")
REMINDED = "任务无人认领"
# A request under way when the answer is recorded may still arrive; a callback is answered before it is worked through.
GRACE = 3.0
# Seconds in which a call about a task may still be under way.
FRESH = 15.0


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


class Audit:
    def __init__(self, http, standin, mails, promises, kinds, grace=GRACE, bases=()):
        """`kinds`: template code → kind of message, as the configuration has it. `grace`: seconds. `bases`: all gateways that may
        be asked, where there are more than the one of `http`."""
        self.grace, self.bases = grace, [*bases] or [http.base]
        self.http, self.standin, self.mails, self.promises, self.kinds = http, standin, mails, promises, kinds
        self.lost, self.twice, self.odd = [], [], []
        # Whoever had answered and was called, or called for, all the same.
        self.pestered = []
        self.warnings, self.callouts, self.told_only = {}, {}, {}
        # "callout" (of the ordinal DESK) -> number -> what its warning shows of the call.
        self.duty_calls = {}
        self.fresh = set()
        self.successors = defaultdict(list)

    # --- reading -------------------------------------------------------------------------------------

    def read(self, settle=60, longest=180):
        """Everything the gateway knows; waits until nothing is on its way any more: `settle` seconds after the last thing was
        queued, as an end that was not heard is rung once more, and that comes minutes of the policy's clock later."""
        # First the provider's count: whatever it has taken by now, the gateway must know; and what people did by now,
        # it must have worked through when they are asked for in a moment.
        self.first_sent = self.standin.get("sent")
        self.told = self.standin.get("told")
        time.sleep(self.grace)
        self.warnings = {w["id"]: w for w in self.http.items("/api/v1/warnings")}
        end = time.monotonic() + longest
        waiting = None
        while True:
            wanted = waiting if waiting is not None else [c["id"] for w in self.warnings for c in self.http.items(f"/api/v1/warnings/{w}/callouts")]
            for id, (status, callout) in self.many(wanted):
                if status != 200:
                    self.lost.append(f"callout {id}: listed, but GET says {status}")
                    continue
                self.callouts[id] = callout
            under_way = {id: [a for a in self.callouts[id]["attempts"] if a["state"] in ("queued", "sending")] for id in wanted}
            waiting = [id for id, attempts in under_way.items() if attempts]
            last = max((seconds(a["queued_at"]) for attempts in under_way.values() for a in attempts), default=0)
            if not waiting or time.monotonic() > end or time.time() > last + settle:
                break
            time.sleep(1)
        # People who are only told are in no list and no tally; what they were sent counts all the same.
        self.sent = self.standin.get("sent")
        for id in self.warnings:
            _, warning = self.http.get(f"/api/v1/warnings/{id}")
            self.duty_calls[f"{id}-{DESK}"] = {int(c["id"].rpartition("-")[2]): c for c in warning["duty_calls"]}
            # A county's response is watched when all have answered, too: what falls due while all is being read is not left over.
            self.fresh |= {c["id"] for c in warning["duty_calls"] if time.time() - seconds(c["queued_at"]) < FRESH}
        for id, (status, callout) in self.many({attempt_of(s["out_id"])[0] for s in self.sent} - set(self.callouts) - set(self.duty_calls)):
            if status == 200:
                self.told_only[id] = callout
        for id, c in self.callouts.items():
            if c["carried_from"]:
                self.successors[c["carried_from"]].append(id)
        self.counts = self.standin.get("counts")

    def many(self, ids):
        """Each callout and what GET says of it."""
        asked = [(id, "GET", f"/api/v1/callouts/{id}", None) for id in sorted(ids)]
        for id, status, callout in ask_many(self.bases, self.http.token, asked):
            yield id, (status, callout)

    # --- judging -------------------------------------------------------------------------------------

    def judge(self):
        self.index()
        self.promised_warnings()
        self.promised_answers()
        self.ends()
        self.conservation()
        self.sent_twice()
        self.witness()
        self.after_the_answer()

    def index(self):
        """What the stand-ins took, by attempt; and which attempts ever were of unknown fate."""
        self.by_attempt = {}
        self.taken = defaultdict(list)  # callout -> [(n, kind, channel, when, code)]
        for s in self.sent:
            callout, n = attempt_of(s["out_id"])
            self.by_attempt[callout, n] = s
            self.taken[callout].append((n, self.kinds.get(s["template"], s["template"]), s["channel"], s["at"] / 1000, s["phone"]))
        self.mail_attempts = Counter()
        for when, reference, to in self.mails:
            callout, n = attempt_of(reference)
            self.mail_attempts[reference] += 1
            self.taken[callout].append((n, "mail", "email", when, to))
        self.unknown = set()
        for id, c in self.everybody():
            for line in c["timeline"]:
                if m := UNKNOWN.match(line["what"]):
                    self.unknown.add((id, int(m.group(1))))

    def everybody(self):
        yield from self.callouts.items()
        yield from self.told_only.items()

    def promised_warnings(self):
        listed = Counter(w["identifier"] for w in self.warnings.values())
        for identifier, (id, body) in self.promises.warnings.items():
            if id not in self.warnings:
                self.lost.append(f"warning {id} ({identifier}) was accepted and is not listed")
                continue
            if self.warnings[id]["identifier"] != identifier:
                self.lost.append(f"warning {id} was accepted as {identifier} and is now {self.warnings[id]['identifier']}")
            if listed[identifier] != 1:
                self.odd.append(f"{identifier} stands there {listed[identifier]} times")
        for w in self.warnings.values():
            if w["identifier"] not in self.promises.warnings:
                self.odd.append(f"warning {w['id']} ({w['identifier']}) is nobody's")

    def family(self, id):
        """A callout and those that continue it: an answer to it counts there."""
        out, todo = [], [id]
        while todo:
            id = todo.pop()
            if id in self.callouts:
                out.append(self.callouts[id])
            todo += self.successors[id]
        return out

    def trace(self, id, how, name):
        """The lines of the callout or its successors that tell of an answer by `name`, given in that way."""
        lines = [line for c in self.family(id) for line in c["timeline"]]
        return [x for x in lines if EVIDENCE.match(x["what"]) and VIA[how] in x["what"] and name in (None, x["by"])]

    def duty_call(self, id, n):
        """The leader's call, or None; one that is no longer shown, as a warning shows the last ones, was made all the same."""
        known = self.duty_calls[id]
        return known.get(n) or ({"gone": True} if known and n < min(known) else None)

    def promised_answers(self):
        """Every answer that was taken has left its trace, whether it was the first or came after others."""
        acts = [(how, id, index, f"at {when:.3f}") for when, how, id, index in self.promises.answers]
        for told in self.told:
            id, n = attempt_of(told["about"])
            if not answers(told, self.by_attempt.get((id, n))):
                continue
            if id in self.duty_calls:
                # No answer: the leader took a task over.
                call = self.duty_call(id, n)
                if not call or "keys" in call and "1" not in (call["keys"] or ""):
                    self.lost.append(f"the leader's key in call {id}-{n}, confirmed at try {told['tries']}: {call}")
                continue
            c = self.callouts.get(id)
            contact = c["attempts"][n - 1]["contact"] if c and n <= len(c["attempts"]) else None
            index = next((i for i, k in enumerate(c["contacts"]) if k["recipient_id"] == contact), None) if c else None
            acts.append((told["kind"], id, index, f"to attempt {n}, confirmed at try {told['tries']}: {told['body']}"))
        self.acts = Counter(VIA[how] for how, *_ in acts)
        for how, id, index, detail in acts:
            c = self.callouts.get(id)
            name = c["contacts"][index]["name"] if c and index is not None and index < len(c["contacts"]) else None
            if not self.trace(id, how, name):
                self.lost.append(f"the answer of {name or 'the holder'} to {id} ({c['state'] if c else 'unknown callout'}) by {how} {detail}")
        for id in self.promises.reports:
            if not any(c["feedback"] for c in self.family(id)):
                self.lost.append(f"a report for {id} was taken and is not there")

    def ends(self):
        for id, c in self.callouts.items():
            if c["state"] in OPEN:
                self.odd.append(f"callout {id} has not ended: {c['state']}, next {c['next']}")
            if (c["state"] in ("answered", "reported")) != bool(c["acknowledgement"]):
                self.odd.append(f"callout {id} is {c['state']}, its acknowledgement {c['acknowledgement']}")
            for a in c["attempts"]:
                if a["state"] in ("queued", "sending"):
                    self.odd.append(f"attempt {a['id']} ({a['channel']}) is still {a['state']}, since {a['queued_at']}")
        for calls in self.duty_calls.values():
            left = [c for c in calls.values() if c["state"] in ("queued", "sending") and c["id"] not in self.fresh]
            self.odd += [f"the leader's call {c['id']} is still {c['state']}" for c in left]
        for w in self.warnings.values():
            if w["state"] != "closed":
                self.odd.append(f"warning {w['id']} has not ended: {w['state']}, {w['tally']}")

    def conservation(self):
        count = defaultdict(Counter)
        for c in self.callouts.values():
            count[c["warning_id"]][c["state"]] += 1
        for id, w in self.warnings.items():
            t, own = w["tally"], count[id]
            parts = ("queued", "calling", "overdue", "handed_over", "answered", "closed", "unreachable")
            if t["expected"] != sum(t[p] for p in parts):
                self.odd.append(f"warning {id}: expected {t['expected']} is not the sum of {t}")
            own["answered"] += own["reported"]
            wrong = {p: (t[p], own[p]) for p in parts if t[p] != own[p]}
            if wrong or t["expected"] != sum(own[p] for p in parts):
                self.odd.append(f"warning {id}: its tally (expected {t['expected']}) is not what its callouts add up to: {wrong}")

    def sent_twice(self):
        for out_id, n in self.counts["by_out_id"]["duplicates"].items():
            self.twice.append(f"attempt {attempt_of(out_id)} was taken {n} times by the SMS and voice provider")
        for reference, n in self.mail_attempts.items():
            if n > 1:
                self.twice.append(f"attempt {attempt_of(reference)} was taken {n} times by the mail server")
        everybody = dict(self.everybody())
        for id, taken in self.taken.items():
            attempts = everybody[id]["attempts"] if id in everybody else []
            groups = defaultdict(list)
            for n, kind, channel, when, address in sorted(taken):
                if channel == "sms" and kind in ONCE:
                    # Two people may share one number: each is told.
                    whom = attempts[n - 1]["contact"] if n <= len(attempts) else None
                    groups[kind, address, whom].append(n)
            for (kind, address, _), numbers in groups.items():
                for before, n in zip(numbers, numbers[1:]):
                    # One that runs beside another that is slow says which; it is counted apart.
                    hedge = n <= len(attempts) and attempts[n - 1].get("hedges")
                    if (id, before) not in self.unknown and not hedge:
                        self.twice.append(f"{id}: {kind} to {address[:3]}****{address[-4:]} as attempt {n} after {before}, which was never of unknown fate")
        self.resent = sum(self.resends(id, c) for id, c in self.everybody())
        self.hedges = sum(bool(a.get("hedges")) for _, c in self.everybody() for a in c["attempts"])

    def resends(self, id, c):
        """Messages that went again because an earlier one of the same kind was of unknown fate."""
        queued = [m.group(1) for line in c["timeline"] if (m := QUEUED.match(line["what"]))]
        # A callout that continues another begins with the other's attempts.
        first = len(c["attempts"]) - len(queued) + 1
        last, n_again = {}, 0
        for n, kind in enumerate(queued, first):
            a = c["attempts"][n - 1]
            if kind in ONCE_ZH and a["channel"] != "voice":
                key = kind, a["channel"], a["contact"]
                n_again += (id, last.get(key)) in self.unknown
                last[key] = n
        return n_again

    def witness(self):
        """Where gateway and provider disagree about one attempt."""
        calls = {s["id"] for s in self.sent if s["channel"] == "voice"}
        messages = {s["id"] for s in self.sent if s["channel"] == "sms"}
        everybody = dict(self.everybody())
        for id, n in map(attempt_of, (s["out_id"] for s in self.first_sent)):
            known = self.duty_call(id, n) if id in self.duty_calls else id in everybody and n <= len(everybody[id]["attempts"])
            if not known:
                self.lost.append(f"the provider took attempt {id}-{n}, which the gateway does not know")
        for id, c in everybody.items():
            for n, a in enumerate(c["attempts"], 1):
                seen = self.by_attempt.get((id, n))
                if a["provider_message_id"] and a["channel"] in ("sms", "voice"):
                    ours = int(a["provider_message_id"].split("^")[1] if a["channel"] == "voice" else a["provider_message_id"][4:16])
                    if ours not in (calls if a["channel"] == "voice" else messages):
                        self.odd.append(f"attempt {a['id']} is {a['state']} as {a['provider_message_id']}, which the provider never gave")
                if not seen:
                    continue
                if a["state"] in ("queued", "withdrawn"):
                    self.odd.append(f"attempt {a['id']} is {a['state']}, and the provider took it")
                if a["state"] == "failed" and a["channel"] == "sms" and seen["code"] == "DELIVERED":
                    self.odd.append(f"attempt {a['id']} is failed ({a['outcome']}), and the provider delivered it")
            for n, a in enumerate(c["attempts"], 1):
                if a["state"] == "failed" and "unknown" in (a["outcome"] or ""):
                    self.odd.append(f"attempt {a['id']} ({a['channel']}) is failed, not unknown: {a['outcome']}")
        by_phone = defaultdict(list)
        for s in self.sent:
            if s["channel"] == "voice":
                by_phone[s["phone"]].append(s)
        for calls_to in by_phone.values():
            calls_to.sort(key=lambda s: s["at"])
            for one, next in zip(calls_to, calls_to[1:]):
                if next["at"] < one["done_at"] - 100 and attempt_of(one["out_id"]) not in self.unknown:
                    self.odd.append(f"{attempt_of(next['out_id'])} rang while {attempt_of(one['out_id'])} was still in the call, which was not of unknown fate")

    def after_the_answer(self):
        """Whoever answered is left in peace: by the gateway's own journal, and by the provider's clock."""
        for id, c in self.callouts.items():
            at = next((seconds(line["at"]) for line in c["timeline"] if ANSWERED.match(line["what"])), None)
            if at is None:
                continue
            done = reminded = False
            for line in c["timeline"]:
                what = line["what"]
                if ANSWERED.match(what):
                    done = True
                reminded |= done and what.startswith(REMINDED)
                if done and (ESCALATES.match(what) or RINGS_LEADER.match(what) and not reminded):
                    self.pestered.append(f"{id} was answered, and then: {what}")
            for n, kind, channel, when, _ in self.taken[id]:
                if channel != "email" and kind in ASKS and when > at + self.grace:
                    self.pestered.append(f"{id} was answered {when - at:.1f} s before attempt {n} ({channel}, {kind}) reached the provider")


def answers(act, sent):
    """Whether what a person did is an answer by the contract, and to what was asked."""
    if not sent:
        return False
    if act["kind"] == "mid_call":
        return act["body"]["dtmf"] == "1"
    text = unicodedata.normalize("NFKC", act["body"]["content"])
    return re.fullmatch(r"(已?收到)?\d{1,2}", re.sub(r"[\s。.,，!！]", "", text)) is not None

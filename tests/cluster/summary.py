"""What rounds have come to: a line a round in a file, so that the long run can be played in pieces; and the tables."""

import hashlib
import json
from collections import Counter

NUMBERS = ("accepted", "callouts", "answered", "closed", "sends", "promised_answers", "promised_reports", "lost", "sent_twice",
           "unknown", "resent", "hedges", "escalated", "unfit", "seconds")
FAULTS = ("lost", "sent_twice", "escalated", "unfit")
NAMES = {"main": "nothing happens", "kill": "a gateway killed every few seconds", "pause": "a gateway stopped past its lease",
         "master": "primaries killed, their replicas take over", "cut": "a gateway cut off from Redis",
         "blows": "all that a Cluster can suffer", "cuts": "gateways cut off one after the other",
         "rollout": "gateways upgraded one after the other"}
# What a whole plan must have done to them.
EACH = ("primaries killed", "gateways killed", "gateways stopped", "gateways cut off")
WHERE = {"cluster": "Cluster", "sentinel": "Sentinel", "single": "one server"}


def short(r):
    """A round's numbers, for the file and for sums."""
    return {k: len(r[k]) if isinstance(r[k], list) else r[k] for k in NUMBERS} | {"fell": r["fell"]}


class Summary:
    """The rounds of a plan that have been played: with the same program, as many persons, at the same speed. Others in
    the file are left alone."""

    def __init__(self, path, o):
        self.path = path
        self.same = {"persons": o.persons, "speed": o.speed, "program": hashlib.sha256(o.binary.read_bytes()).hexdigest()[:12]}
        self.rounds = {}
        if path and path.exists():
            for line in path.read_text().splitlines():
                r = json.loads(line)
                if all(r.get(k) == v for k, v in self.same.items()):
                    self.rounds[r["scene"], r["mode"], r["round"]] = r

    def played(self, scene, mode, n):
        return self.rounds.get((scene, mode, n))

    def add(self, scene, mode, n, r):
        kept = {"scene": scene, "mode": mode, "round": n, "seed": r["seed"], **self.same, **short(r)}
        self.rounds[scene, mode, n] = kept
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as f:
                f.write(json.dumps(kept) + "\n")

    def scenes(self):
        """Scene, mode and their rounds, in the order they were first played."""
        out = {}
        for (scene, mode, _), r in self.rounds.items():
            out.setdefault((scene, mode), []).append(r)
        return out

    def lines(self):
        for (scene, mode), rounds in self.scenes().items():
            bad = any(r[k] for r in rounds for k in FAULTS)
            yield f"{'FAIL' if bad else 'ok  '} {said(f'{scene} on {mode}', rounds)}"

    def bad(self):
        return any(r[k] for r in self.rounds.values() for k in FAULTS)

    def too_few(self, wanted):
        """Kinds of blows that fell less often than this among requests."""
        n = Counter()
        for r in self.rounds.values():
            n.update(r["fell"])
        return [f"{kind}: {n[kind]} times among requests, {wanted} are wanted" for kind in EACH if n[kind] < wanted]

    def table(self):
        """As the README shows it."""
        head = ("scene", "rounds", "blows", "callouts", "sends", "lost", "sent twice", "unknown (sent again by the rule)", "hedges",
                "called after an answer", "seconds a round")
        rows = [head, ["---"] * len(head)]
        for (scene, mode), rounds in self.scenes().items():
            n = sums(rounds)
            rows.append((f"{NAMES[scene]}, {WHERE[mode]}", len(rounds), fell(rounds), f"{n['callouts']:,}", f"{n['sends']:,}", n["lost"], n["sent_twice"],
                         f"{n['unknown']} ({n['resent']})", n["hedges"], n["escalated"], round(n["seconds"] / len(rounds))))
        return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def sums(rounds):
    n = Counter()
    for r in rounds:
        n.update({k: r[k] for k in NUMBERS})
    return {k: round(n[k]) for k in NUMBERS}


def fell(rounds):
    """How often which blow fell in them."""
    n = Counter()
    for r in rounds:
        n.update(r["fell"])
    return ", ".join(f"{kind} {count}" for kind, count in n.items())


def said(name, rounds):
    """One line for rounds that were played."""
    n = sums(rounds)
    return (f"{name}: {len(rounds)} rounds, accepted {n['accepted']} warnings, {n['callouts']} callouts, {n['sends']} sends; answered "
            f"{n['answered']}, closed {n['closed']}; {n['promised_answers']} answers and {n['promised_reports']} reports promised; "
            f"lost {n['lost']}; sent twice {n['sent_twice']}; unknown {n['unknown']} (resent {n['resent']}); hedges {n['hedges']}; "
            f"escalated after answer {n['escalated']}; unfit {n['unfit']}; {fell(rounds) or 'no blow'}; {n['seconds']} s")

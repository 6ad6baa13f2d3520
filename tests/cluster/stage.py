"""The stage of one round: three gateways on Redis with a line each, the balancer before them, the providers'
stand-in, the mail sink, the bureau and the people. Built anew for every round, taken down whatever happens; the Redis
servers alone stay for the next round, emptied.
"""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from gateway import Gateway, MailSink, StandIn, die_with_us, free_port, run
from people import Bureau, Crowd, Promises
from setup import CHENGQU, GAOPING, LINGCHUAN, SECRETS, gateway_settings, policy, standin_settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONFIG = ROOT / "config/example.toml"
GATEWAYS = 3
# Kinds of blows, and how each begins in the list of what happened.
KINDS = {"primaries killed": "kill the primary", "gateways killed": "kill http", "gateways stopped": "pause ", "gateways cut off": "cut ",
         "gateways upgraded": "upgrade "}
# What the bureau warns of, where a blow would fall on silence.
AGAIN = (CHENGQU, GAOPING, LINGCHUAN)


class Forwarder:
    """proxy.py as a process."""

    def __init__(self, kind, *backends):
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-B", str(HERE / "proxy.py"), kind, str(self.port), *backends], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_us)
        if not self.process.stdout.readline():
            raise SystemExit(f"the forwarder ({kind}) did not start")

    def tell(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Stage:
    def __init__(self, o, scene, redis, seed, work, persons):
        self.o, self.redis, self.mode, self.seed, self.work = o, redis, redis.mode, seed, work
        self.scene, self.persons = scene, persons
        self.dice = random.Random(seed)
        self.token = SECRETS["DUTY_ROOM_TOKEN"]
        self.promises = Promises()
        self.kills = 0
        # Gateways that are down, paused or cut for now, and when which blow fell, for the report.
        self.blows = []
        # How many requests had left when, for who asks what a blow fell among; and the blows that count, by when they fell.
        self.sends, self.hits = [], []
        self.over = threading.Event()
        self.ends = ExitStack()

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.ends.close()
            raise
        return self

    def __exit__(self, *_):
        self.ends.close()

    def build(self):
        o, work = self.o, self.work
        self.bases = bases = [f"http://127.0.0.1:{free_port()}" for _ in range(GATEWAYS)]
        self.front = Forwarder("balance", *(b.removeprefix("http://") for b in bases))
        self.ends.callback(self.front.stop)
        self.base = f"http://127.0.0.1:{self.front.port}"
        self.crowd = Crowd(self.base, self.token, random.Random(self.seed + 1), self.promises)
        self.ends.callback(self.crowd.stopped.set)
        self.sink = MailSink(self.crowd.on_link)
        self.ends.callback(self.sink.shutdown)
        (work / "standin.toml").write_text(standin_settings(self.speed(), self.base, self.seed, o.keep and work / "requests", many=self.many()))
        self.standin = StandIn(o.binary, work / "standin.toml", work / "standin.log")
        self.ends.callback(self.standin.stop)
        # Twenty thousand reports would take longer than all the rest, so that of so many none is owed: a warning is over when all
        # have answered. The rounds with fewer want everybody's.
        told = {**self.redis.settings(), **policy(work, reports=not self.many())}
        self.lines = []
        if self.mode == "single":
            # A Sentinel or a Cluster tells gateways where the servers are, past any line of ours.
            self.lines = [Forwarder("line", self.redis.servers[0].address) for _ in bases]
            for line in self.lines:
                self.ends.callback(line.stop)
        program = o.before if self.scene == "rollout" else o.binary
        self.gateways = []
        for n, base in enumerate(bases):
            own = {**told, "STORE__REDIS__JOURNAL": str(work / f"journal-{n + 1}.sqlite")}
            if self.lines:
                own["STORE__REDIS__ADDRESSES"] = f'["127.0.0.1:{self.lines[n].port}"]'
            env = gateway_settings(self.speed(), self.base, self.sink.address, self.standin.url, self.sms_per_second(),
                                   SERVER__LISTEN=base.removeprefix("http://"), **self.voice(), **own)
            self.gateways.append(Gateway(program, CONFIG, env, work / f"gateway-{n + 1}.log", base))
        run(program, "import", o.sheet(self.persons), "--config", CONFIG, "--allow-uncovered", env=self.gateways[0].environment)
        self.ends.callback(self.stop_gateways)
        for g in self.gateways:
            g.start()
        for g in self.gateways:
            g.until_ready()
        self.crowd.start()
        watch = threading.Thread(target=self.watch, daemon=True)
        watch.start()
        self.ends.callback(watch.join)
        self.ends.callback(self.over.set)
        self.bureau = Bureau(bases[0], SECRETS["QIXIANG_KEY"], self.seed, self.promises, bases[1:])
        self.identifiers = []

    def many(self):
        """Whether so many are called that people must be quick, and few may stay silent, for the round to end in a minute."""
        return self.persons > 5_000

    def speed(self):
        """How many times faster than life: deadlines come when the fan-out is through and most have had their say."""
        return self.o.speed or (10.0 if self.many() else 25.0)

    def sms_per_second(self):
        """Of the account, over all gateways: the fan-out takes some seconds, so that blows fall into it; where many blows fall in
        one round, longer."""
        return self.o.sms_per_second or max(600, self.persons // (30 if self.scene in ("blows", "cuts") else 7))

    def voice(self):
        """The documented 100 calls a second and 200 at once would make a night of twenty thousand calls."""
        limits = {"PER_SECOND": self.persons // 10, "IN_FLIGHT": self.persons // 30, "CONCURRENT_CALLS": self.persons // 4}
        return {f"PROVIDER__ALIYUN_VOICE__LIMITS__{k}": str(v) for k, v in limits.items()} if self.many() else {}

    def post(self, level, divisions, kind="alert", references=()):
        """Posts to a gateway by chance and goes on to the others until one has answered; the identifier."""
        self.bureau.http = self.dice.choice(self.bureau.doors)
        identifier = self.bureau.post(level, divisions, kind, references)
        self.bureau.until_answered(identifier, 60)
        self.identifiers.append(identifier)
        return identifier

    def until_sending(self, many=50, seconds=8):
        """A blow is to fall among requests: waits until some more have left, and a moment by chance. Where all is quiet by now, the
        bureau warns of more."""
        for more in (AGAIN[len(self.blows) % len(AGAIN)], None):
            before = self.standin.get("counts")["accepted"]
            end = time.monotonic() + seconds
            while time.monotonic() < end and self.standin.get("counts")["accepted"] < before + many:
                time.sleep(0.05)
            if more is None or self.standin.get("counts")["accepted"] >= before + many:
                break
            self.post("red", [more])
        time.sleep(self.dice.uniform(0, 1.0))

    def watch(self):
        """Notes twice a second how many requests have left."""
        while not self.over.wait(0.5):
            self.sends.append((time.monotonic(), self.standin.get("counts")["accepted"]))

    def left(self, since, until):
        """How many requests left between two moments."""
        among = [n for at, n in list(self.sends) if since <= at <= until]
        return among[-1] - among[0] if among else 0

    def blow(self, what):
        self.blows.append(f"{time.strftime('%H:%M:%S')} {what}")
        if any(what.startswith(start) for start in KINDS.values()):
            self.hits.append((time.monotonic(), what))

    def among(self):
        """Each blow with how many requests left in the 5 s before it and in the 20 s from it on."""
        return [(what, self.left(at - 5, at), self.left(at, at + 20)) for at, what in self.hits]

    def fell(self):
        """How often each kind of blow fell among requests; one on silence proves nothing and is counted apart."""
        hits = self.among()
        fell = {kind: sum(what.startswith(start) and before + after > 0 for what, before, after in hits) for kind, start in KINDS.items()}
        fell["blows on silence (not counted)"] = sum(before + after == 0 for _, before, after in hits)
        return {kind: n for kind, n in fell.items() if n}

    def stop_gateways(self):
        """All at once; what was not a clean end."""
        with ThreadPoolExecutor(GATEWAYS) as pool:
            codes = list(pool.map(Gateway.stop, self.gateways))
        return [f"gateway {n}'s soft stop: {code}" for n, code in enumerate(codes, 1) if code not in (0, None)]

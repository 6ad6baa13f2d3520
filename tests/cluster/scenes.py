"""What happens in a round while warnings fan out: nothing, or blows to gateways and to Redis. Each scene is told the stage
and ends when the last blow has fallen and everything is up again.
"""

import time

from servers import until
from setup import CHENGQU, GAOPING, LINGCHUAN, QINSHUI, YANGCHENG, ZEZHOU

# A gateway's lease is 10 s (engine.lease), a request without an outcome is of unknown fate after 15 s.
LEASE, SENDING = 10, 15


def opening(stage):
    """Two reds and an orange under way."""
    stage.post("red", [QINSHUI, YANGCHENG])
    stage.post("orange", [LINGCHUAN])
    stage.post("red", [CHENGQU])


def middle(stage):
    """What bureaus do meanwhile: the orange is raised and grows, a red begins and is taken back, another begins."""
    stage.post("red", [LINGCHUAN, ZEZHOU], "update", [stage.identifiers[1]])
    stage.post("red", [GAOPING])
    stage.post(None, [], "cancel", [stage.identifiers[2]])


def main_job(stage):
    opening(stage)
    time.sleep(2)
    middle(stage)


def kills(stage, count, meanwhile=None):
    """Every few seconds a gateway is killed, and started again a moment later; now and then the second is not yet back."""
    for n in range(count):
        stage.until_sending()
        victim = stage.dice.choice([g for g in stage.gateways if g.process.poll() is None])
        died(stage, victim)
        victim.kill()
        stage.kills += 1
        stage.blow(f"kill {victim.base}")
        if n == 1 and meanwhile:
            meanwhile(stage)
        time.sleep(stage.dice.uniform(0.1, 1.5))
        victim.start()
    for g in stage.gateways:
        g.until_ready()


def died(stage, gateway):
    if gateway.process.poll() is not None:
        raise SystemExit(f"the gateway had ended by itself; see {gateway.log_path}")


def sleep_past_the_lease(stage):
    """Longer than a lease, and than a request counts as under way."""
    time.sleep(max(LEASE, SENDING) + stage.dice.uniform(1, 4))


def stopped(stage, meanwhile=None):
    """A gateway stops in the middle of its work, and wakes when others have taken it over."""
    stage.until_sending()
    victim = stage.dice.choice(stage.gateways)
    victim.pause()
    stage.blow(f"pause {victim.base}")
    if meanwhile:
        meanwhile(stage)
    sleep_past_the_lease(stage)
    victim.wake()
    stage.blow(f"wake {victim.base}")
    victim.until_ready()


def primaries(stage, meanwhile=None):
    """The primary that all gateways need is killed; later another (in a Sentinel set-up: its successor)."""
    stage.until_sending()
    replace(stage, stage.redis.control())
    if meanwhile:
        meanwhile(stage)
    stage.until_sending()
    control = stage.redis.control()
    others = [s for s in stage.redis.masters() if s is not control]
    replace(stage, stage.dice.choice(others) if others else control)
    for g in stage.gateways:
        g.until_ready()


def cut_off(stage, meanwhile=None):
    """A gateway hears nothing from Redis for longer than its lease. Then what was held up arrives, or all is dropped."""
    stage.until_sending()
    n = stage.dice.randrange(len(stage.lines))
    stage.lines[n].tell("cut")
    stage.blow(f"cut {stage.gateways[n].base}")
    if meanwhile:
        meanwhile(stage)
    sleep_past_the_lease(stage)
    if stage.dice.random() < 0.5:
        stage.lines[n].tell("drop")
        stage.blow("its connections are dropped")
    stage.lines[n].tell("mend")
    stage.blow(f"mend {stage.gateways[n].base}")
    stage.gateways[n].until_ready()


def replace(stage, victim):
    before = {s.port for s in stage.redis.masters()}
    victim.kill()
    stage.blow(f"kill the primary at {victim.address}")
    until("a replica takes over", lambda: {s.port for s in stage.redis.masters()} - before)
    stage.blow("a replica took over")
    time.sleep(stage.dice.uniform(0.5, 2.0))
    victim.start()
    until("the old primary follows the new one", stage.redis.settled)
    stage.blow("all servers are back")


def kill(stage):
    opening(stage)
    kills(stage, 5, middle)


def pause(stage):
    opening(stage)
    stopped(stage, middle)


def master(stage):
    opening(stage)
    primaries(stage, middle)


def cut(stage):
    opening(stage)
    cut_off(stage, middle)


def blows(stage):
    """All that can be done to a Cluster, each at least twice, while the same callouts run."""
    opening(stage)
    kills(stage, 4)
    stopped(stage, middle)
    primaries(stage)
    stopped(stage)


def cuts(stage):
    opening(stage)
    cut_off(stage, middle)
    cut_off(stage)


def rollout(stage):
    """One gateway after the other ends in its own time and comes back as the newer program, while callouts run: for some
    seconds each two versions work side by side."""
    opening(stage)
    for n, gateway in enumerate(stage.gateways):
        stage.until_sending()
        died(stage, gateway)
        if code := gateway.stop():
            raise SystemExit(f"a gateway of the older program did not end cleanly: {code}; see {gateway.log_path}")
        stage.blow(f"upgrade {gateway.base}")
        gateway.run_by(stage.o.binary)
        if n == 1:
            middle(stage)
        gateway.until_ready()
        time.sleep(stage.dice.uniform(3, 6))


SCENES = {"main": main_job, "kill": kill, "pause": pause, "master": master, "cut": cut, "blows": blows, "cuts": cuts, "rollout": rollout}
# Where errors in a gateway's log are no fault of its own.
REDIS_GOES = ("master", "cut", "blows", "cuts")

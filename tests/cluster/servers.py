"""Real Redis servers from the Debian package, on free loopback ports, each with a folder and an append-only file of its
own: one alone, one with a replica under three sentinels, or a Cluster of three and three. They can be killed and
started again, and asked.
"""

import shutil
import signal
import socket
import subprocess
import time

from gateway import die_with_us, free_port

NAME = "warnings"
MISSING = "redis-server, redis-sentinel and redis-cli are needed: apt-get install redis-server redis-sentinel redis-tools"


def until(what, happens, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happens():
            return found
        time.sleep(0.05)
    raise SystemExit(f"{what}: not after {seconds} s")


class Server:
    """One process. Its port stays its own over kills."""

    def __init__(self, work, program="redis-server", lines=()):
        self.port, self.program = free_port(), program
        self.address = f"127.0.0.1:{self.port}"
        self.folder = work / f"{program}-{self.port}"
        self.folder.mkdir()
        own = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *lines]
        if program == "redis-server":
            own += ['save ""', "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "repl-diskless-sync-delay 0"]
        (self.folder / "redis.conf").write_text("\n".join(own) + "\n")
        self.process = None
        self.start()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([self.program, str(self.folder / "redis.conf")], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_us)
        until(f"{self.program} at {self.address} answers", lambda: self.ask("PING") == "PONG")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def ask(self, *words):
        """The reply to one command; None where there is nobody, an error as its text."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                words = [str(w).encode() for w in words]
                s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
                return reply(s.makefile("rb"))
        except (OSError, ValueError):
            return None

    def info(self, section):
        text = self.ask("INFO", section) or ""
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def is_master(self):
        return self.alive() and self.info("replication").get("role") == "master"

    def followed(self):
        return "state=online" in (self.ask("INFO", "replication") or "")


def reply(stream):
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:].decode("utf-8", "replace")
    if kind in (b"+", b"-"):
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
    if kind == b"*":
        return [reply(stream) for _ in range(max(int(rest), 0))]
    raise ValueError(line)


class Redis:
    """The servers of one set-up, and what a gateway is told of them."""

    def __init__(self, mode, work, fsync="everysec"):
        if not all(map(shutil.which, ("redis-server", "redis-sentinel", "redis-cli"))):
            raise SystemExit(MISSING)
        self.mode, self.servers, self.sentinels = mode, [], []
        self.work, self.lines = work, [f"appendfsync {fsync}"]
        {"single": self.single, "sentinel": self.sentinel, "cluster": self.cluster}[mode]()

    def single(self):
        self.servers.append(Server(self.work, lines=self.lines))

    def sentinel(self):
        lines = [*self.lines, "min-replicas-to-write 1"]
        primary = Server(self.work, lines=lines)
        self.servers += [primary, Server(self.work, lines=[*lines, f"replicaof 127.0.0.1 {primary.port}"])]
        until("the replica follows", primary.followed)
        watch = [f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2", f"sentinel down-after-milliseconds {NAME} 1000",
                 f"sentinel failover-timeout {NAME} 5000"]
        self.sentinels += [Server(self.work, "redis-sentinel", watch) for _ in range(3)]

        def agree(s):
            said = s.ask("SENTINEL", "MASTER", NAME)
            known = dict(zip(said[::2], said[1::2])) if isinstance(said, list) else {}
            return known.get("num-slaves") == "1" and known.get("num-other-sentinels") == "2"

        until("the sentinels know each other", lambda: all(map(agree, self.sentinels)))

    def cluster(self):
        for _ in range(6):
            own = ["cluster-enabled yes", f"cluster-port {free_port()}", "cluster-node-timeout 2000", "min-replicas-to-write 1"]
            self.servers.append(Server(self.work, lines=[*self.lines, *own]))
        made = subprocess.run(["redis-cli", "--cluster", "create", *(s.address for s in self.servers), "--cluster-replicas", "1",
                               "--cluster-yes"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "All 16384 slots covered" not in made.stdout:
            raise SystemExit(f"the Cluster was not made: {made.stdout}{made.stderr}")

        def knows(s):
            return "cluster_state:ok" in (s.ask("CLUSTER", "INFO") or "") and len(self.slots(s)) == 3

        until("the Cluster is up", lambda: all(map(knows, self.servers)))
        until("the replicas follow", lambda: all(s.followed() for s in self.masters()))

    @staticmethod
    def slots(server):
        said = server.ask("CLUSTER", "SLOTS")
        return said if isinstance(said, list) else []

    def masters(self):
        return [s for s in self.servers if s.is_master()]

    def control(self):
        """The master of the control partition, which all gateways need."""
        if self.mode != "cluster":
            return self.masters()[0]
        slot = self.servers[0].ask("CLUSTER", "KEYSLOT", "jiaoying:{p:c}")
        for s in filter(Server.alive, self.servers):
            for first, last, primary, *_ in self.slots(s):
                if first <= slot <= last:
                    return next(x for x in self.servers if x.port == primary[1])
        raise SystemExit("nobody has the control partition")

    def settled(self):
        """Everybody runs, every master has its replica, and all of the Cluster is served."""
        masters = self.masters()
        wanted = 3 if self.mode == "cluster" else 1
        served = self.mode != "cluster" or all("cluster_state:ok" in (s.ask("CLUSTER", "INFO") or "") for s in self.servers)
        followed = self.mode == "single" or all(s.followed() for s in masters)
        return all(map(Server.alive, self.servers)) and len(masters) == wanted and served and followed

    def settings(self):
        """What a gateway is told: its `[store]` keys."""
        told = {"STORE__KIND": "redis", "STORE__REDIS__MODE": self.mode}
        if self.mode == "sentinel":
            told |= {"STORE__REDIS__MASTER_NAME": NAME, "STORE__REDIS__ADDRESSES": listed(self.sentinels)}
        elif self.mode == "cluster":
            told |= {"STORE__REDIS__ADDRESSES": listed(self.servers[:3])}
        else:
            told |= {"STORE__REDIS__ADDRESSES": listed(self.servers)}
        if self.mode != "single":
            told |= {"STORE__REDIS__REPLICAS": "1"}
        return told

    def empty(self):
        """As if they had just been started, once all is well again after the blows of a round."""
        for s in filter(lambda s: not s.alive(), self.servers):
            s.start()
        until("the servers are as they were", self.settled, 60)
        for s in self.masters():
            for words in (("FLUSHALL",), ("FUNCTION", "FLUSH"), ("BGREWRITEAOF",)):
                said = s.ask(*words)
                if said is None or str(said).startswith("ERR"):
                    raise SystemExit(f"{' '.join(words)} at {s.address}: {said}")
        until("the servers are empty", lambda: all(s.ask("DBSIZE") == 0 for s in self.servers))

    def stop(self):
        for s in [*self.sentinels, *self.servers]:
            s.stop()


def listed(servers):
    return "[" + ", ".join(f'"{s.address}"' for s in servers) + "]"

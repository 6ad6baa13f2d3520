#!/usr/bin/env python3
"""Fan-out benchmark: one red warning to N persons, one signed SMS request each, gateways and stand-in as
separate release processes on this machine; SQLite with synchronous=FULL, or one to three gateways on one Redis server.

  tests/bench/fanout.py [--persons 20000] [--rounds 3] [--first 100] [--binary target/release/jiaoying]
                        [--store sqlite|redis] [--fsync everysec|always] [--gateways N]

Prints, per round: seconds from the acceptance of the warning (202) to the last request accepted by the
stand-in and recorded, callouts a second, CPU microseconds per callout of gateway and stand-in, peak
memory; then, over `--first` warnings to one village each, the time from acceptance to the first request
leaving (p50, p99). Times are read from the records (SQLite's file, else the API afterwards), so nothing is polled while it runs.
On Redis also: calls and commands a callout, the server's CPU, and its memory for each open callout.
Standard library only."""
import argparse, datetime, json, os, pathlib, sqlite3, statistics, subprocess, sys, tempfile, time, urllib.request
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", d) for d in ("rig", "cluster")]
sys.dont_write_bytecode = True
from gateway import Session, die_with_us  # noqa: E402
from servers import Redis  # noqa: E402

KEY, TOKEN, SECRET = "bench-issuer-key-0123456789", "bench-token-0123456789abc", "0123456789abcdef0123456789abcdef"
COUNTY = "140521"

POLICY = '''
name = "bench"
version = "1"
[role.grid]
names = ["网格员"]
all = true
[group.everybody]
name = "everybody"
select = [{ tiers = ["village"] }]
[ladder.B]
deadline = { village = "30m" }
repeat = "30m"
rung = [{ at = "start", call = ["holder"], send = ["sms"] }]
[[rule]]
name = "bench"
calls = [{ who = ["everybody"], ladder = "B" }]
'''


def call(base, path, body=None, key=TOKEN, kind="application/json"):
    req = urllib.request.Request(base + path, data=body, headers={"Authorization": "Bearer " + key, "Content-Type": kind})
    with urllib.request.urlopen(req, timeout=60) as r:
        return json.load(r)


def start(cmd, env=None):
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=sys.stderr, env=env, text=True, preexec_fn=die_with_us)
    line = p.stdout.readline()
    if not line:
        sys.exit("%s did not start" % cmd)
    return p, json.loads(line)


def usage(pid):
    f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    peak = next(int(l.split()[1]) for l in open("/proc/%d/status" % pid) if l.startswith("VmHWM"))
    return (int(f[11]) + int(f[12])) / ticks, peak / 1024


def sheet(path, persons, codes):
    with open(path, "w", encoding="utf-8") as f:
        f.write("序号,行政区划代码,县,乡镇,村,姓名,职务,责任类别,责任层级,手机1\n")
        for n in range(persons):
            code, name = codes[n * len(codes) // persons]
            f.write("%d,%s,沁水县,,%s,测试%05d,网格员,网格员,村,154%08d\n" % (n + 1, code, name, n, n))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--persons", type=int, default=20000)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--first", type=int, default=100, help="warnings to one village each, at most one a village")
    a.add_argument("--binary", default=os.path.join(ROOT, "target/release/jiaoying"))
    a.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    a.add_argument("--fsync", choices=("everysec", "always"), default="everysec", help="of Redis")
    a.add_argument("--gateways", type=int, default=1, help="on Redis; the warning is posted to the first")
    a.add_argument("--keep", action="store_true", help="leave the processes' folder behind")
    o = a.parse_args()
    if o.store == "sqlite" and o.gateways != 1:
        a.error("SQLite has one gateway")
    d = tempfile.mkdtemp(prefix="jiaoying-bench-")
    rows = [l.rstrip("\n").split(",") for l in open(os.path.join(ROOT, "config/jincheng/divisions.csv"), encoding="utf-8") if not l.startswith("#")]
    codes = [(r[0], r[2]) for r in rows if r[0].startswith(COUNTY) and r[1] == "village"]
    results = []
    for n in range(o.rounds):
        results.append(one_round(o, os.path.join(d, "r%d" % n), codes))
        print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    best = lambda k: statistics.median(r[k] for r in results)
    print("persons %d, rounds %d: median %.0f callouts/s (%.2f s), gateway %.0f us CPU per callout, stand-in %.0f us, peak %.0f MiB; "
          "202 -> first request p50 %.1f ms, p99 %.1f ms" % (o.persons, o.rounds, best("per_second"), best("seconds"), best("gateway_us"),
          best("standin_us"), best("gateway_peak_mib"), best("first_p50_ms"), best("first_p99_ms")))
    if o.store == "redis":
        print("redis, appendfsync %s, %d gateways: %.1f calls and %.1f commands per callout, %.0f us CPU, %.0f bytes per open callout"
              % (o.fsync, o.gateways, best("calls"), best("commands"), best("redis_us"), best("bytes")))
    if not o.keep:
        subprocess.call(["rm", "-rf", d])


def one_round(o, d, codes):
    os.makedirs(d)
    # Sync what other programs left dirty, so that our first fsync does not pay for it.
    os.sync()
    with open(d + "/standin.toml", "w") as f:
        f.write('access_key_id = "testid"\naccess_key_secret = "testsecret"\n[behaviour.receipts]\nsend = false\n')
    standin, told = start([o.binary, "simulate-providers", "--listen", "127.0.0.1:0", "--settings", d + "/standin.toml", "--print-addr"])
    with open(d + "/policy.toml", "w") as f:
        f.write(POLICY)
    redis = Redis("single", pathlib.Path(d), o.fsync) if o.store == "redis" else None
    store = '[store]\npath = "%s/jiaoying.sqlite"' % d
    if redis:
        store = '[store]\nkind = "redis"\n[store.redis]\naddresses = ["%s"]' % redis.servers[0].address
    variables = "".join("variables.%s = { max = 60 }\n" % v for v in ("hazard", "level", "places", "what", "action", "minutes", "digit"))
    with open(d + "/jiaoying.toml", "w") as f:
        f.write('''
[server]
listen = "127.0.0.1:0"
%s
[policy]
file = "%s/policy.toml"
[messages]
signature = "晋城应急"
link = "never"
segments = 2
[log]
level = "warn"
[[issuer]]
id = "bench"
name = "晋城市气象台"
key = "%s"
divisions = ["1405"]
rate = 100000
[[token]]
name = "bench"
secret = "%s"
roles = ["viewer", "operator", "monitoring"]
[provider.aliyun-sms]
kind = "aliyun_sms"
endpoint = "http://%s"
access_key_id = "testid"
access_key_secret = "testsecret"
sign_name = "晋城应急"
callback_secret = "%s"
[provider.aliyun-sms.limits]
per_second = 1000000
in_flight = 512
[provider.aliyun-sms.templates.callout]
code = "SMS_1"
%s''' % (store, d, KEY, TOKEN, told["listen"], SECRET, variables))
    sheet(d + "/people.csv", o.persons, codes)
    config = ["--config", d + "/jiaoying.toml"]
    subprocess.run([o.binary, "import", d + "/people.csv"] + config, check=True, stdout=subprocess.DEVNULL)
    gateways = []
    try:
        for n in range(o.gateways):
            journal = {**os.environ, "JIAOYING__STORE__REDIS__JOURNAL": "%s/journal-%d" % (d, n)}
            gateways.append(start([o.binary, "serve", "--print-addr"] + config, journal))
        if o.gateways > 1:
            # A new gateway is quiet until the others know of it.
            time.sleep(15)
        bases = ["http://" + at["listen"] for _, at in gateways]
        pids = [p.pid for p, _ in gateways]
        return measure(o, d, bases, pids, standin.pid, codes, redis and redis.servers[0])
    finally:
        for p in [p for p, _ in gateways] + [standin]:
            p.terminate()
        for p in [p for p, _ in gateways] + [standin]:
            p.wait()
        if redis:
            redis.stop()


def post(base, n, area):
    now = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    w = {"identifier": "bench-%d" % n, "sent": now, "status": "actual", "message_type": "alert", "hazard": "11B03", "level": "red",
         "headline": "晋城市气象台发布暴雨红色预警", "description": "预计未来3小时降雨量将达100毫米以上", "areas": [{"division": area}]}
    return call(base, "/api/v1/warnings", json.dumps(w).encode(), KEY)["id"]


class File:
    """What stands in the database itself."""

    def __init__(self, d):
        self.db = sqlite3.connect("file:%s/jiaoying.sqlite?mode=ro" % d, uri=True)

    def recorded(self, warning, persons):
        """(acceptance, first sent, last accepted, all accepted?) in ms."""
        w = int(warning[1:])
        start_at = self.db.execute("SELECT json_extract(body,'$.accepted_at') FROM warning WHERE id = ?", (w,)).fetchone()
        n, last, first = self.db.execute(
            "SELECT count(json_extract(body,'$.attempts[0].accepted')), max(json_extract(body,'$.attempts[0].accepted')), "
            "min(json_extract(body,'$.attempts[0].sent')) FROM callout WHERE id >= ? AND id < ?", (w << 32, (w + 1) << 32)).fetchone()
        return start_at[0], first, last, n >= persons


class Api:
    """What the gateways say, each asked for a share."""

    def __init__(self, bases):
        self.bases = bases

    def recorded(self, warning, persons):
        shown = Session(self.bases[0], TOKEN)
        t = shown.get("/api/v1/warnings/" + warning)[1]["tally"]
        if t["expected"] < persons or t["queued"]:
            return None, None, None, False
        ids = [c["id"] for c in shown.items("/api/v1/warnings/%s/callouts" % warning)]

        def share(n):
            s = Session(self.bases[n % len(self.bases)], TOKEN)
            return [s.get("/api/v1/callouts/" + id)[1] for id in ids[n::4]]

        with ThreadPoolExecutor(4) as pool:
            rows = [c for part in pool.map(share, range(4)) for c in part]
        ms = lambda text: int(datetime.datetime.fromisoformat(text).timestamp() * 1000)
        sent = [ms(l["at"]) for c in rows for l in c["timeline"] if l["what"].startswith("第1条") and l["what"].endswith("发出")]
        accepted = [ms(c["attempts"][0]["accepted_at"]) for c in rows if c["attempts"] and c["attempts"][0]["accepted_at"]]
        start_at = min(ms(l["at"]) for c in rows for l in c["timeline"])
        return start_at, min(sent, default=None), max(accepted, default=None), len(accepted) >= persons


def of_server(server):
    """Calls that clients made, commands that ran (within functions too), CPU seconds, bytes in use."""
    if server is None:
        return 0, 0, 0.0, 0
    stats = {k[8:]: int(v.split("calls=")[1].split(",")[0]) for k, v in server.info("commandstats").items()}
    calls = sum(n for k, n in stats.items() if k in ("fcall", "fcall_ro", "wait", "waitaof", "mget"))
    cpu = server.info("cpu")
    return calls, sum(stats.values()), float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]), int(server.info("memory")["used_memory"])


def measure(o, d, bases, gateways, standin, codes, server):
    records, base = Api(bases) if server else File(d), bases[0]
    used = lambda: sum(usage(g)[0] for g in gateways)
    before, served = (used(), usage(standin)[0]), of_server(server)
    warning = post(base, 1, COUNTY)
    done = False
    # Not polled while it runs: wait as long as it may take, then look.
    time.sleep(max(1.0, o.persons / (2500.0 if server else 20000.0)))
    after, serving = ((used(), max(usage(g)[1] for g in gateways)), usage(standin)), of_server(server)
    for _ in range(240):
        start_at, first, last, done = records.recorded(warning, o.persons)
        if done:
            break
        time.sleep(0.5)
        after, serving = ((used(), max(usage(g)[1] for g in gateways)), usage(standin)), of_server(server)
    if not done:
        sys.exit("not all were accepted: %s" % json.dumps(call(base, "/api/v1/warnings/" + warning)["tally"]))
    seconds = (last - start_at) / 1000
    firsts = []
    for n in range(min(o.first, len(codes))):
        w = post(base, 100 + n, codes[n][0])
        time.sleep(0.03)
        for _ in range(100):
            s, f, _, _ = records.recorded(w, 1)
            if f:
                firsts.append(f - s)
                break
            time.sleep(0.02)
    firsts.sort()
    at = lambda q: firsts[min(len(firsts) - 1, int(q * len(firsts)))] if firsts else float("nan")
    return {"persons": o.persons, "seconds": round(seconds, 3), "per_second": round(o.persons / seconds),
            "gateway_us": round((after[0][0] - before[0]) / o.persons * 1e6), "standin_us": round((after[1][0] - before[1]) / o.persons * 1e6),
            "gateway_peak_mib": round(after[0][1]), "first_p50_ms": at(0.5), "first_p99_ms": at(0.99),
            **dict(zip(("calls", "commands", "redis_us", "bytes"), [round((b - a) / o.persons * f, 1) for a, b, f in zip(served, serving, (1, 1, 1e6, 1))]))}


main()

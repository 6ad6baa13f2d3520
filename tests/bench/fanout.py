#!/usr/bin/env python3
"""Fan-out benchmark: one red warning to N persons, one signed SMS request each, SQLite with
synchronous=FULL, gateway and stand-in as separate release processes on this machine.

  tests/bench/fanout.py [--persons 20000] [--rounds 3] [--first 100] [--binary target/release/jiaoying]

Prints, per round: seconds from the acceptance of the warning (202) to the last request accepted by the
stand-in and recorded, callouts a second, CPU microseconds per callout of gateway and stand-in, peak
memory; then, over `--first` warnings to one person each, the time from acceptance to the first request
leaving (p50, p99). Times are read from the records in the database, so nothing is polled while it runs.
Standard library only."""
import argparse, json, os, sqlite3, statistics, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=sys.stderr, env=env, text=True)
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
    a.add_argument("--first", type=int, default=100)
    a.add_argument("--binary", default=os.path.join(ROOT, "target/release/jiaoying"))
    a.add_argument("--keep", action="store_true", help="leave the processes' folder behind")
    o = a.parse_args()
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
    variables = "".join("variables.%s = { max = 60 }\n" % v for v in ("hazard", "level", "places", "what", "action", "minutes", "digit"))
    with open(d + "/jiaoying.toml", "w") as f:
        f.write('''
[server]
listen = "127.0.0.1:0"
[store]
path = "%s/jiaoying.sqlite"
[policy]
file = "%s/policy.toml"
[messages]
signature = "晋城应急"
sms_link = false
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
%s''' % (d, d, KEY, TOKEN, told["listen"], SECRET, variables))
    sheet(d + "/people.csv", o.persons, codes)
    config = ["--config", d + "/jiaoying.toml"]
    subprocess.run([o.binary, "import", d + "/people.csv"] + config, check=True, stdout=subprocess.DEVNULL)
    gateway, at = start([o.binary, "serve", "--print-addr"] + config)
    base = "http://" + at["listen"]
    try:
        return measure(o, d, base, gateway.pid, standin.pid, codes)
    finally:
        gateway.terminate(), standin.terminate()
        gateway.wait(), standin.wait()


def post(base, n, area):
    now = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    w = {"identifier": "bench-%d" % n, "sent": now, "status": "actual", "message_type": "alert", "hazard": "11B03", "level": "red",
         "headline": "晋城市气象台发布暴雨红色预警", "description": "预计未来3小时降雨量将达100毫米以上", "areas": [{"division": area}]}
    return call(base, "/api/v1/warnings", json.dumps(w).encode(), KEY)["id"]


def recorded(db, warning, persons):
    """(acceptance, last accepted, all accepted?) in ms from the database itself."""
    w = int(warning[1:])
    start_at = db.execute("SELECT json_extract(body,'$.accepted_at') FROM warning WHERE id = ?", (w,)).fetchone()
    n, last, first = db.execute(
        "SELECT count(json_extract(body,'$.attempts[0].accepted')), max(json_extract(body,'$.attempts[0].accepted')), "
        "min(json_extract(body,'$.attempts[0].sent')) FROM callout WHERE id >= ? AND id < ?", (w << 32, (w + 1) << 32)).fetchone()
    return start_at[0], first, last, n >= persons


def measure(o, d, base, gateway, standin, codes):
    db = sqlite3.connect("file:%s/jiaoying.sqlite?mode=ro" % d, uri=True)
    before = usage(gateway)[0], usage(standin)[0]
    warning = post(base, 1, COUNTY)
    done = False
    # Not polled while it runs: wait as long as it may take, then look.
    time.sleep(max(1.0, o.persons / 20000.0))
    for _ in range(240):
        start_at, first, last, done = recorded(db, warning, o.persons)
        if done:
            break
        time.sleep(0.5)
    if not done:
        sys.exit("not all were accepted: %s" % json.dumps(call(base, "/api/v1/warnings/" + warning)["tally"]))
    after = usage(gateway), usage(standin)
    seconds = (last - start_at) / 1000
    firsts = []
    for n in range(o.first):
        w = post(base, 100 + n, codes[n][0])
        time.sleep(0.03)
        for _ in range(100):
            s, f, _, _ = recorded(db, w, 1)
            if f:
                firsts.append(f - s)
                break
            time.sleep(0.02)
    firsts.sort()
    at = lambda q: firsts[min(len(firsts) - 1, int(q * len(firsts)))] if firsts else float("nan")
    return {"persons": o.persons, "seconds": round(seconds, 3), "per_second": round(o.persons / seconds),
            "gateway_us": round((after[0][0] - before[0]) / o.persons * 1e6), "standin_us": round((after[1][0] - before[1]) / o.persons * 1e6),
            "gateway_peak_mib": round(after[0][1]), "first_p50_ms": at(0.5), "first_p99_ms": at(0.99)}


main()

#!/usr/bin/env python3
"""Captured requests judged by the provider's own signer, in one process.

    tests/vendors/judge.py DIRECTORY... [--sample 200] [--secret TEXT]

The judges are oracles/aliyun_acs3.py of the shared material (JIAOYING_SHARED, else ../shared or ../../shared beside
the checkout) and, for group robots (`…_dingtalkRobot.json`, `…_feishuRobot.json`), dingtalk_sign.py and feishu_sign.py;
it exits 77 where they are absent. The key is --secret, else the file `access-key-secret` beside the
captures (of robots: `robot-secret`), which a demo with `--data` leaves there: it is its stand-in's, drawn anew every
time, and opens nothing. WeCom's robot signs nothing, so nothing of it is judged.
Of each directory a fair sample is taken: spread over the whole run, every API in it. One byte of the body, the
address or a signed header changed, and the same judge must refuse: else nothing was proved. Needs the environment
that tests/vendors/run makes. Prints `N passed, N failed`.
"""

import argparse
import contextlib
import io
import json
import os
import runpy
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def find_oracles():
    asked = os.environ.get("JIAOYING_SHARED")
    for folder in [Path(asked)] if asked else [ROOT.parent / "shared", ROOT.parent.parent / "shared"]:
        oracles = {name: folder / "oracles" / f"{name}.py" for name in ("aliyun_acs3", "dingtalk_sign", "feishu_sign")}
        if all(o.is_file() for o in oracles.values()):
            return oracles
    return None


# A robot's requests by the name they are captured under: its judge, and where that one finds the key.
ROBOTS = {"dingtalkRobot": ("dingtalk_sign", "DINGTALK_SECRET"), "feishuRobot": ("feishu_sign", "FEISHU_SECRET")}
UNSIGNED = {"wecomRobot"}


def judge_of(path):
    return ROBOTS.get(action(path), ("aliyun_acs3", "ALIYUN_SK"))[0]


def verdict(oracles, path, like=None):
    """(True, "") where the signature is what the official signer makes of the request; else why not."""
    oracle = oracles[judge_of(like or path)]
    said, argv, code = io.StringIO(), sys.argv, None
    sys.argv = [str(oracle), str(path)]
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(oracle))
    except SystemExit as end:
        code = end.code
    except (ValueError, KeyError, TypeError) as why:
        return False, f"unreadable: {why!r}"
    finally:
        sys.argv = argv
    try:
        match = json.loads(said.getvalue()).get("match")
    except ValueError:
        match = None
    return code == 0 and match is True, said.getvalue().strip()


def action(path):
    return path.stem.partition("_")[2]


def fair_sample(files, wanted):
    """As many of each API as fit, evenly over the run."""
    by_api = defaultdict(list)
    for f in files:
        by_api[action(f)].append(f)
    share, out = max(1, wanted // max(1, len(by_api))), []
    for kept in sorted(by_api.values(), key=len):
        n = min(len(kept), share)
        out += [kept[i * len(kept) // n] for i in range(n)]
    chosen = set(out)
    rest = [f for f in files if f not in chosen]
    more = min(len(rest), max(0, wanted - len(out)))
    return sorted(out + [rest[i * len(rest) // more] for i in range(more)])


def flip(text, at):
    """The same text with another letter or digit at `at`."""
    return text[:at] + ("8" if text[at] != "8" else "9") + text[at + 1 :]


def tampered(request, name):
    """The request with one byte changed, in each place where it matters."""
    out = {}
    if name == "dingtalkRobot":
        # Time and signature stand in the address; the signature covers nothing else.
        for where in ("timestamp=", "sign="):
            at = request["url"].index(where) + len(where) + 3
            out[where.rstrip("=")] = {**request, "url": flip(request["url"], at)}
        return out
    if name == "feishuRobot":
        for where in ('"timestamp":"', '"sign":"'):
            at = request["body"].index(where) + len(where) + 3
            out[where.strip('":')] = {**request, "body": flip(request["body"], at)}
        return out
    if request.get("body"):
        out["body"] = {**request, "body": flip(request["body"], len(request["body"]) // 2)}
    address, _, query = request["url"].partition("?")
    if query:
        # A digit of a value: what the provider would act upon.
        at = next((i for i in range(len(query) - 1, -1, -1) if query[i].isdigit() and query[i - 2 : i - 1] != "%" and query[i - 1] != "%"), None)
        if at is not None:
            out["address"] = {**request, "url": f"{address}?{flip(query, at)}"}
    headers = request["headers"]
    for i, (name, value) in enumerate(headers):
        if name.lower() == "x-acs-signature-nonce":
            out["nonce"] = {**request, "headers": [*headers[:i], [name, flip(value, 0)], *headers[i + 1 :]]}
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directories", nargs="+", type=Path, metavar="DIRECTORY")
    p.add_argument("--sample", type=int, default=200, help="requests judged of each directory, at most")
    p.add_argument("--secret", help="the key they are signed with")
    o = p.parse_args()
    oracles = find_oracles()
    if oracles is None:
        print("skipped: the signature judges are not beside this checkout (set JIAOYING_SHARED)")
        return 77
    try:
        import alibabacloud_tea_openapi.utils  # noqa: F401
    except ImportError:
        print("the official SDK is not in this Python: run tests/vendors/run first and use its environment (target/vendors-venv)")
        return 1
    sys.path.insert(0, str(oracles["aliyun_acs3"].parent))
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="jiaoying-judge-") as folder:
        changed = Path(folder) / "tampered.json"
        for directory in o.directories:
            key = directory / "access-key-secret"
            secret = o.secret or (key.read_text().strip() if key.is_file() else None)
            key = directory / "robot-secret"
            robot_secret = o.secret or (key.read_text().strip() if key.is_file() else secret)
            files = sorted(f for f in directory.glob("*.json") if action(f) not in UNSIGNED)
            if not secret or not files:
                print(f"FAIL {directory}: {'nothing was captured' if not files else 'no key: give --secret, or an access-key-secret file'}")
                failed += 1
                continue
            os.environ["ALIYUN_SK"] = secret
            for _, variable in ROBOTS.values():
                os.environ[variable] = robot_secret
            good, controls = Counter(), Counter()
            for path in fair_sample(files, o.sample):
                fits, why = verdict(oracles, path)
                if not fits:
                    failed += 1
                    print(f"FAIL {path}: {why}")
                    continue
                good[action(path)] += 1
                if good[action(path)] > 1:
                    continue
                # The judge must be able to say no, for each API.
                for where, request in tampered(json.loads(path.read_text(encoding="utf-8")), action(path)).items():
                    changed.write_text(json.dumps(request), encoding="utf-8")
                    if verdict(oracles, changed, path)[0]:
                        failed += 1
                        print(f"FAIL {path}: the judge takes it although one byte of the {where} was changed")
                    else:
                        controls[where] += 1
            passed += sum(good.values()) + sum(controls.values())
            if not good:
                continue
            if not controls:
                failed += 1
                print(f"FAIL {directory}: no request could be tampered with, so nothing was proved")
                continue
            print(f"ok   {directory}: of {len(files)} captured requests {sum(good.values())} match the signer ({dict(good)}); "
                  f"{sum(controls.values())} tampered ones are refused ({dict(controls)})")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

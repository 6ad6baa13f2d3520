"""What every check of running gateways begins with: secrets, the settings laid over config/example.toml, the
stand-in's, and the places of the sample directory. One rig, so that one gateway that is killed and three that are
are judged by the same world.
"""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from gateway import environment

ROOT = Path(__file__).resolve().parent.parent.parent
BEIJING = timezone(timedelta(hours=8))

SECRETS = {
    name: f"{name.lower().replace('_', '-')}-for-the-crash-check"
    for name in ("QIXIANG_KEY", "DUTY_ROOM_TOKEN", "MONITORING_TOKEN", "ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET",
                 "ALIYUN_SMS_CALLBACK", "ALIYUN_VOICE_CALLBACK", "MAIL_PASSWORD")
}
CHENGQU, QINSHUI, YANGCHENG, LINGCHUAN, ZEZHOU, GAOPING = "140502", "140521", "140522", "140524", "140525", "140581"


def window(seconds, speed):
    return f"{max(1, int(seconds * 1000 / speed))}ms"


def policy(folder, reports=True):
    """The shipped policy as a file in `folder`, with its night twelve hours from now: a check is the same at whatever hour it
    runs. Without `reports` nobody owes one."""
    text = (ROOT / "config/policy.toml").read_text()
    night = datetime.now(BEIJING) + timedelta(hours=12)
    for key, minutes in (("from", 0), ("to", 60), ("morning", 90)):
        at = night + timedelta(minutes=minutes)
        text, found = re.subn(rf'^{key} = "[0-9:]+"', f'{key} = "{at:%H:%M}"', text, count=1, flags=re.M)
        assert found == 1, f"the policy's night has no `{key}`"
    if not reports:
        text = re.sub(r"^feedback = (?:\{.*\}|\[\n(?:[^\]].*\n)*\])$", "", text, flags=re.M)
    (Path(folder) / "policy.toml").write_text(text)
    return {"POLICY__FILE": str(Path(folder) / "policy.toml")}


def gateway_settings(speed, base, sink, standin, sms_per_second=200, **more):
    """config/example.toml as it stands, with only what this machine needs laid over it. `base`: what people and providers
    reach it by, and where it listens unless `more` says otherwise; `more`: further keys, `SECTION__KEY=value`."""
    def limits(*rules):
        return "[" + ", ".join(f'{{ count = {n}, window = "{window(s, speed)}" }}' for n, s in rules) + "]"

    over = {
        "SERVER__LISTEN": base.removeprefix("http://"),
        "SERVER__PUBLIC_URL": base,
        "CLOCK__SPEED": str(speed),
        "LOG__LEVEL": "info",
        "ISSUER__JINCHENG_QIXIANG__RATE": "1000",
        "PROVIDER__ALIYUN_SMS__ENDPOINT": standin,
        # Slow enough for a fan-out to have a middle.
        "PROVIDER__ALIYUN_SMS__LIMITS__PER_SECOND": str(sms_per_second),
        "PROVIDER__ALIYUN_SMS__LIMITS__PER_CALLEE": limits((50, 86_400)),
        "PROVIDER__ALIYUN_VOICE__ENDPOINT": standin,
        "PROVIDER__ALIYUN_VOICE__LIMITS__PER_CALLEE": limits((1, 60), (30, 3_600)),
        "PROVIDER__MAIL__ENDPOINT": sink,
        "PROVIDER__MAIL__TLS": "none",
        **more,
    }
    return environment({**SECRETS, **{f"JIAOYING__{k}": v for k, v in over.items()}})


def standin_settings(speed, base, seed, capture=None, many=False):
    """`many`: thousands are called; then more of them answer by themselves."""
    people = "reply_share = 0.55\nkeypress_share = 0.70\nnever_share = 0.04" if many else "reply_share = 0.40\nkeypress_share = 0.50\nnever_share = 0.15"
    return f"""
access_key_id = "{SECRETS['ALIYUN_ACCESS_KEY_ID']}"
access_key_secret = "{SECRETS['ALIYUN_ACCESS_KEY_SECRET']}"
sms_callback = "{base}/callbacks/aliyun-sms/{SECRETS['ALIYUN_SMS_CALLBACK']}"
voice_callback = "{base}/callbacks/aliyun-voice/{SECRETS['ALIYUN_VOICE_CALLBACK']}"
speed = {speed}
{f'capture = "{capture.resolve()}"' if capture else ""}
capture_limit = 200000
[behaviour]
seed = {seed}
dead_share = 0.01
# A fifth of a second of the gateway's real time: many requests are under way when it is killed.
latency = "{window(0.2 * speed * speed, speed)}"
[behaviour.receipts]
duplicate_share = 0.05
lost_share = 0.02
[people]
{people}
other_words_share = 0.02
wrong_key_share = 0.04
hang_up_share = 0.05
listen_share = 0.04
busy_share = 0.05
"""

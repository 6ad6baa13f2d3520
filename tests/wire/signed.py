"""CAP signed by another program (signxml) for an issuer with pinned keys; run by tests/wire/run.

signed.py keys DIR              throw-away keys: DIR/signer, DIR/stranger (private), DIR/signer.pem (to be pinned)
signed.py post BASE KEY OTHER_KEY VIEWER DIR
Prints one line a check, then the tally."""

import base64
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml import CanonicalizationMethod as C14n
from signxml import SignatureMethod, XMLSigner

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
SPKI, PLAIN = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.NoEncryption()


def make_keys(where):
    public = b""
    for name, key in (("signer", rsa.generate_private_key(65537, 3072)), ("signer-ec", ec.generate_private_key(ec.SECP256R1())),
                      ("stranger", rsa.generate_private_key(65537, 2048))):
        (where / name).write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
        if name != "stranger":
            public += key.public_key().public_bytes(PEM, SPKI)
    (where / "signer.pem").write_bytes(public)


if sys.argv[1] == "keys":
    make_keys(Path(sys.argv[2]))
    sys.exit(0)

BASE, KEY, OTHER_KEY, VIEWER, WHERE = sys.argv[2:7]
WHERE = Path(WHERE)
SENT = datetime.now(tz=timezone(timedelta(hours=8))).isoformat(timespec="seconds")
results = []


def check(name, good, seen=""):
    results.append(good)
    print(("ok   " if good else "FAIL ") + "signed CAP: " + name + ("" if good else f": {seen}"))


def cap(identifier):
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<cap:alert xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2"><cap:identifier>{identifier}</cap:identifier><cap:sender>met@example.org</cap:sender>
<cap:sent>{SENT}</cap:sent><cap:status>Actual</cap:status><cap:msgType>Alert</cap:msgType><cap:scope>Public</cap:scope><!-- note --><cap:info>
<cap:language>zh-CN</cap:language><cap:category>Met</cap:category><cap:event>暴雨</cap:event><cap:urgency>Expected</cap:urgency>
<cap:severity>Severe</cap:severity><cap:certainty>Likely</cap:certainty><cap:headline>暴雨橙色预警</cap:headline>
<cap:area><cap:areaDesc>沁水县</cap:areaDesc><cap:geocode><cap:valueName>x</cap:valueName><cap:value>140521</cap:value></cap:geocode></cap:area>
</cap:info></cap:alert>""".encode()


def sign(text, key="signer", c14n=C14n.EXCLUSIVE_XML_CANONICALIZATION_1_0, method=SignatureMethod.RSA_SHA256):
    signer = XMLSigner(c14n_algorithm=c14n, signature_algorithm=method)
    return etree.tostring(signer.sign(etree.fromstring(text), key=(WHERE / key).read_bytes()), encoding="UTF-8", xml_declaration=True)


def post(body, key=KEY, media="application/cap+xml"):
    request = Request(BASE + "/api/v1/warnings", data=body, headers={"content-type": media, "authorization": "Bearer " + key}, method="POST")
    try:
        with urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


codes = lambda answer: [f["code"] for f in answer.get("findings", [])]
for name, how in (("exclusive", {}), ("inclusive", {"c14n": C14n.CANONICAL_XML_1_0}), ("inclusive-1.1", {"c14n": C14n.CANONICAL_XML_1_1}),
                  ("p256", {"key": "signer-ec", "method": SignatureMethod.ECDSA_SHA256})):
    status, answer = post(sign(cap("signed-" + name), **how))
    check(f"{name}: what a pinned key signed comes in", status == 202 and "signature_unchecked" not in codes(answer), (status, answer))
status, answer = post(sign(cap("signed-exclusive")))
check("signed anew it is the same message", status == 200 and answer["duplicate"], (status, answer))
for what, body in (("a changed word", sign(cap("s-1")).replace("橙色".encode(), "红色".encode())), ("a stranger's key", sign(cap("s-2"), key="stranger")),
                   ("no signature", cap("s-3"))):
    status, answer = post(body)
    check(f"{what} is refused with a reason", status == 403 and "signature" in answer["detail"], (status, answer))
json_body = {"identifier": "s-4", "sent": SENT, "status": "actual", "message_type": "alert", "hazard": "11B03", "level": "red", "headline": "x",
             "areas": [{"division": "140521"}]}
status, answer = post(json.dumps(json_body).encode(), media="application/json")
check("JSON, which bears no signature, is refused too", status == 403, (status, answer))
status, answer = post(sign(cap("s-5")), key=OTHER_KEY)
check("without pinned keys it comes in with a finding", status == 202 and "signature_unchecked" in codes(answer), (status, answer))
page = Request(BASE + "/status", headers={"authorization": "Basic " + base64.b64encode(b"x:" + VIEWER.encode()).decode()})
with urlopen(page, timeout=20) as response:
    text = response.read().decode()
check("the duty room sees the refusals", "does not prove this message" in text and "fits none of the keys pinned" in text, text[-600:])

print(f"{results.count(True)} passed, {results.count(False)} failed")
sys.exit(0 if all(results) else 1)

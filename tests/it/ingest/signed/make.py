"""Makes the signed messages beside this file with an independent signer (signxml on lxml): `python make.py` in an environment
with signxml. The private keys are thrown away; a new run replaces all files, since they belong together."""

import datetime
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import CanonicalizationMethod as C14n
from signxml import DigestAlgorithm, SignatureMethod, XMLSigner

HERE = Path(__file__).parent
CAP = "urn:oasis:names:tc:emergency:cap:1.2"
# Everything canonicalisation has an opinion about: order of attributes, unused namespaces, comments, CDATA, references, white space.
PLAIN = f"""<?xml version="1.0" encoding="UTF-8"?>
<?bureau one?>
<!-- before -->
<alert xmlns="{CAP}" xmlns:unused="urn:unused" xmlns:xs="urn:xs" xs:b="2" xs:a='1 &quot;&#9;'><identifier>SIGNED-1</identifier>
  <sender>met@example.org</sender><sent>2024-07-08T16:15:00+08:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
  <info xml:lang="zh"><!-- inside --><language>zh-CN</language><category>Met</category><event>暴雨</event><urgency>Expected</urgency>
    <severity>Extreme</severity><certainty>Likely</certainty><expires>2024-07-09T16:15:00+08:00</expires>
    <headline>暴雨红色预警</headline><description><![CDATA[雨 < 100 & 风 > 8]]> &lt;&#x4E2D;&gt;</description>
    <area><areaDesc>沁水县</areaDesc><polygon></polygon><geocode><valueName>x</valueName><value>140521</value></geocode></area></info>
</alert>"""
PREFIXED = PLAIN.replace("<alert ", "<cap:alert ").replace(f'xmlns="{CAP}"', f'xmlns:cap="{CAP}"')
for name in ("identifier sender sent status msgType scope info language category event urgency severity certainty expires headline "
             "description area areaDesc polygon geocode valueName value").split():
    PREFIXED = PREFIXED.replace(f"<{name}>", f"<cap:{name}>").replace(f"<{name} ", f"<cap:{name} ").replace(f"</{name}>", f"</cap:{name}>")
PREFIXED = PREFIXED.replace("</alert>", "</cap:alert>")
NATIONAL = """<alert><identifier>14050041600000_20240708161500</identifier><sender>晋城市气象局</sender><senderCode>14050041600000</senderCode>
<sendTime>2024-07-08 16:15:00+08:00</sendTime><status>Actual</status><msgType>Alert</msgType><scope>Public</scope><info><eventType>11B03</eventType>
<severity>Red</severity><expires>2024-07-09 16:15:00+08:00</expires><headline>晋城市气象局发布暴雨红色预警[I级/特别重大]</headline>
<description>大雨</description><area><areaDesc>沁水县</areaDesc><geocode>140521000000</geocode></area></info></alert>"""


class Old(XMLSigner):
    def check_deprecated_methods(self):
        """SHA-1 too: it must be refused."""


class Listed(XMLSigner):
    """Writes the list of prefixes into the transform too: signxml uses it there and does not say so."""

    def _build_transforms_for_reference(self, *, transforms_node, reference, **more):
        super()._build_transforms_for_reference(transforms_node=transforms_node, reference=reference, **more)
        exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
        etree.SubElement(transforms_node[-1], f"{{{exclusive}}}InclusiveNamespaces", nsmap={"ec": exclusive},
                         PrefixList=" ".join(reference.inclusive_ns_prefixes))


class Uncommented(XMLSigner):
    """The document without comments, SignedInfo with them."""

    def _build_sig(self, sig_root, references, *args, **more):
        return super()._build_sig(sig_root, [replace(r, c14n_method=C14n.CANONICAL_XML_1_0) for r in references], *args, **more)


def sign(name, text, key, c14n, method, digest=DigestAlgorithm.SHA256, signer=XMLSigner, **more):
    root = etree.fromstring(text.encode())
    signed = signer(c14n_algorithm=c14n, signature_algorithm=method, digest_algorithm=digest).sign(root, key=key, **more)
    # Top-level comments and instructions are of the document, not of the element that signxml answers with.
    whole = etree.tostring(signed.getroottree(), encoding="UTF-8", xml_declaration=True)
    (HERE / f"{name}.xml").write_bytes(whole)


def public(name, key):
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (HERE / f"{name}.pem").write_bytes(pem)


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "met.example.org")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    build = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    # Long past its end: the operator named it, so its dates say nothing.
    cert = build.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return cert.public_bytes(serialization.Encoding.PEM).decode()


rsa_key, stranger = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
for name, key in (("rsa", rsa_key), ("p256", p256), ("p384", p384)):
    public(name, key)
(HERE / "rsa-certificate.pem").write_text(certificate(rsa_key))
weak = rsa.generate_private_key(65537, 1024)
public("rsa-1024", weak)

EXC, INC, INC11 = C14n.EXCLUSIVE_XML_CANONICALIZATION_1_0, C14n.CANONICAL_XML_1_0, C14n.CANONICAL_XML_1_1
sign("exclusive", PLAIN, rsa_key, EXC, SignatureMethod.RSA_SHA256, cert=certificate(rsa_key))
sign("exclusive-prefixes", PLAIN, rsa_key, EXC, SignatureMethod.RSA_SHA256, signer=Listed, inclusive_ns_prefixes=["unused", "xs"])
sign("inclusive", PREFIXED, rsa_key, INC, SignatureMethod.RSA_SHA256)
sign("inclusive-512", PREFIXED, rsa_key, INC, SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512)
# Comments count in SignedInfo alone: a reference to "" leaves them out by the standard, which signxml does not know.
sign("inclusive-comments", PLAIN, rsa_key, C14n.CANONICAL_XML_1_0_WITH_COMMENTS, SignatureMethod.RSA_SHA256, signer=Uncommented)
sign("inclusive-1.1", PLAIN, p256, INC11, SignatureMethod.ECDSA_SHA256)
sign("exclusive-p384", PREFIXED, p384, EXC, SignatureMethod.ECDSA_SHA384, DigestAlgorithm.SHA384)
sign("no-transform", PLAIN, rsa_key, INC, SignatureMethod.RSA_SHA256, exclude_c14n_transform_element=True)
sign("national", NATIONAL, p256, EXC, SignatureMethod.ECDSA_SHA256)
sign("stranger", PLAIN, stranger, EXC, SignatureMethod.RSA_SHA256, cert=certificate(stranger))
sign("sha1", PLAIN, rsa_key, EXC, SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA1, signer=Old)
sign("sha1-digest", PLAIN, rsa_key, EXC, SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1, signer=Old)
sign("by-id", PLAIN.replace("<info ", '<info Id="part" '), rsa_key, EXC, SignatureMethod.RSA_SHA256, reference_uri="#part")

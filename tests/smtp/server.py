"""Two real mail servers (aiosmtpd) on loopback, one plain and one that takes nothing before STARTTLS and a login.

usage: server.py DIRECTORY

Writes ca.pem and mails.jsonl (what was taken, one object a line) there, prints {"plain": port, "starttls": port} and
runs until its standard input closes. By the recipient's local part: `tempfail` 451 and `permfail` 550 at RCPT,
`spam` 550 and `later` 451 after the message, `stall` no word after the message (which is taken all the same),
`silent` no word at RCPT.
"""
import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOREVER = 3600


class Handler:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local == "tempfail":
            return "451 4.7.1 greylisted, try again later"
        if local == "permfail":
            return "550 5.1.1 no such user"
        if local == "silent":
            await asyncio.sleep(FOREVER)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        local = envelope.rcpt_tos[0].split("@")[0]
        if local == "spam":
            return "550 5.7.1 this looks like spam"
        if local == "later":
            return "451 4.3.0 local error"
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.file.write(json.dumps({
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": m["subject"], "message_id": m["message-id"],
            "text": m.get_body(("plain",)).get_content(), "html": m.get_body(("html",)).get_content(),
            "tls": session.ssl is not None, "login": session.authenticated, "helo": session.host_name,
        }, ensure_ascii=False) + "\n")
        self.file.flush()
        if local == "stall":
            await asyncio.sleep(FOREVER)
        return "250 Message accepted"


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"warning", "口令 pass".encode())
    # Not handled: the server itself says 235 or 535.
    return AuthResult(success=good, handled=False)


async def main(directory):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    handler = Handler(directory / "mails.jsonl")
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    # localhost is what the certificate is for.
    safe = await loop.create_server(
        lambda: SMTP(handler, loop=loop, tls_context=context, require_starttls=True, auth_required=True, authenticator=login,
                     auth_exclude_mechanism=["LOGIN"]), "localhost", 0, family=2)
    port = lambda server: server.sockets[0].getsockname()[1]
    print(json.dumps({"plain": port(plain), "starttls": port(safe)}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(pathlib.Path(sys.argv[1])))

"""The processes of a check: gateways that are killed, the providers' stand-in that is not, and a mail
sink; and HTTP towards them. Nothing here decides or judges anything.
"""

import base64
import ctypes
import email
import email.policy
import http.client
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Of a reference and of a link token: bits of the check sum at the end, of the attempt or contact before it.
ATTEMPT_MAC, ATTEMPT, TOKEN_MAC, CONTACT, ORDINAL = 38, 12, 80, 8, 21


def number(text):
    n = 0
    for c in text:
        n = n * 62 + DIGITS.index(c)
    return n


def attempt_of(out_id):
    """The callout and the attempt's number that a reference names, without its key."""
    n = number(out_id) >> ATTEMPT_MAC
    ordinal = n >> ATTEMPT & (1 << ORDINAL) - 1
    return f"w{n >> ATTEMPT + ORDINAL}-{ordinal}", n & (1 << ATTEMPT) - 1


def contact_of(token):
    """The callout and the contact's index that a link token names."""
    n = number(token) >> TOKEN_MAC
    ordinal = n >> CONTACT & (1 << ORDINAL) - 1
    return f"w{n >> CONTACT + ORDINAL}-{ordinal}", n & (1 << CONTACT) - 1


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_us():
    """In the child, before it becomes the program: the kernel kills it should the check itself be killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Http:
    """One caller of the gateway. A request that gets no answer gives status 0: nothing was promised."""

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __init__(self, base, token=None):
        self.base, self.token = base, token

    def ask(self, method, path, body=None, kind="application/json", timeout=10):
        headers = {"Content-Type": kind} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=timeout) as r:
                status, text = r.status, r.read()
        except urllib.error.HTTPError as e:
            try:
                status, text = e.code, e.read()
            except OSError:
                return 0, None
        except (OSError, ValueError) as e:
            # Refused, reset, cut in the middle of the answer.
            return 0, str(e)
        except Exception as e:  # http.client's own: a status line that was cut
            return 0, str(e)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode("utf-8", "replace")

    def get(self, path, timeout=10):
        return self.ask("GET", path, timeout=timeout)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def items(self, path):
        """All pages of a list; None when the gateway went away in between."""
        out, cursor = [], None
        while True:
            page = path + ("&" if "?" in path else "?") + "limit=500" + (f"&cursor={cursor}" if cursor else "")
            status, body = self.get(page)
            if status != 200:
                return None
            out += body["items"]
            cursor = body["next_cursor"]
            if not cursor:
                return out


class Session(Http):
    """The same over one connection that is kept: for thousands of requests. Of one thread."""

    def __init__(self, base, token=None):
        super().__init__(base, token)
        self.connection = None

    def ask(self, method, path, body=None, kind="application/json", timeout=10):
        headers = {"Content-Type": kind} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        # A kept connection may have been closed meanwhile; what only reads is asked once more.
        for _ in range(2 if method == "GET" else 1):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.base.removeprefix("http://"), timeout=timeout)
                self.connection.request(method, path, data, headers)
                reply = self.connection.getresponse()
                status, text = reply.status, reply.read()
                break
            except (OSError, http.client.HTTPException) as e:
                self.connection.close()
                self.connection, status, text = None, 0, str(e)
        if status == 0:
            return 0, text
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode("utf-8", "replace")


class Gateway:
    def __init__(self, binary, config, environment, log, base):
        self.command = [str(binary), "serve", "--config", str(config)]
        self.environment, self.log_path, self.base = environment, log, base
        self.process = None
        self.kills = 0

    def start(self):
        with open(self.log_path, "ab") as log:
            log.write(f"--- start after {self.kills} kills\n".encode())
            log.flush()
            self.process = subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_us)

    def run_by(self, binary):
        """Starts as another program."""
        self.command[0] = str(binary)
        self.start()

    def until_ready(self, seconds=30):
        end = time.monotonic() + seconds
        http = Http(self.base)
        while time.monotonic() < end:
            if http.get("/readyz", timeout=2)[0] == 200:
                return
            if self.process.poll() is not None:
                raise SystemExit(f"the gateway ended by itself with code {self.process.returncode}; see {self.log_path}")
            time.sleep(0.02)
        raise SystemExit(f"the gateway is not ready after {seconds} s; see {self.log_path}")

    def kill(self):
        """SIGKILL. False when it had already ended, which a gateway never does by itself."""
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1
        return alive

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """A soft stop; the exit code."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.wake()
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed: it did not stop within 30 s"


class StandIn:
    """The providers, in a process of their own, with their own count."""

    def __init__(self, binary, settings, log):
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [str(binary), "simulate-providers", "--listen", "127.0.0.1:0", "--settings", str(settings), "--print-addr"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out, preexec_fn=die_with_us)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the stand-in did not start; see {log}")
        self.url = "http://" + json.loads(line)["listen"]

    def get(self, what):
        status, body = Http(self.url).get(f"/_standin/{what}", timeout=60)
        if status != 200:
            raise SystemExit(f"the stand-in does not answer: {status} {body}")
        return body

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


class MailSink(socketserver.ThreadingTCPServer):
    """Takes mail, counts it by Message-ID, and hands every answer link to `on_link(address, token)`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, on_link):
        super().__init__(("127.0.0.1", 0), MailSession)
        self.on_link = on_link
        self.lock = threading.Lock()
        self.mails = []  # (when, Message-ID's reference, address)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def took(self, to, raw):
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        reference = re.sub(r"^<|@.*$", "", mail["Message-ID"] or "")
        with self.lock:
            self.mails.append((time.time(), reference, to))
        text = mail.get_body(("plain",))
        link = re.search(r"/a/([0-9A-Za-z]{22})", text.get_content() if text else "")
        if link:
            self.on_link(to, link.group(1))

    def handle_error(self, request, client_address):
        pass  # a gateway killed in mid-sentence


class MailSession(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        to = None
        self.say("220 sink.example.org ESMTP")
        for line in self.rfile:
            verb = line.strip().split(b" ")[0].upper()
            if verb == b"EHLO":
                self.say("250-sink.example.org\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 16777216")
            elif verb == b"AUTH":
                words = line.split()
                if words[1].upper() == b"LOGIN":
                    for prompt in ("User Name", "Password")[len(words) - 2 :]:
                        self.say("334 " + base64.b64encode(prompt.encode()).decode())
                        self.rfile.readline()
                elif len(words) == 2:
                    self.say("334 ")
                    self.rfile.readline()
                self.say("235 2.7.0 welcome")
            elif verb == b"RCPT":
                to = re.search(rb"<([^>]*)>", line).group(1).decode()
                self.say("250 2.1.5 ok")
            elif verb == b"DATA":
                self.say("354 go on")
                raw = bytearray()
                while (part := self.rfile.readline()) != b".\r\n":
                    if not part:
                        return  # cut in the middle: not taken
                    raw += part[1:] if part.startswith(b"..") else part
                self.server.took(to, bytes(raw))
                self.say("250 2.0.0 taken")
            elif verb == b"QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")


def environment(values):
    """The process's own environment without anybody else's JIAOYING settings, and these."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("JIAOYING")}
    return {**clean, **values}


def run(binary, *arguments, env=None, out=None):
    """A subcommand that must succeed; its standard output."""
    done = subprocess.run([str(binary), *map(str, arguments)], env=env, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"jiaoying {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr.decode()}{done.stdout.decode()}")
    if out:
        Path(out).write_bytes(done.stdout)
    return done.stdout

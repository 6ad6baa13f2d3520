"""Thousands of requests to one or several gateways, as many programs would send them together: some dozens of kept
connections, one request under way on each, driven by one thread. Twenty thousand callouts are read or entered in the
time that Python's own client needs for two thousand.
"""

import json
import selectors
import socket
import time
from collections import deque

CONNECTIONS = 24
PATIENCE = 20


class Connection:
    """One kept connection to one gateway. Knows what it has asked and what has come of the answer so far."""

    def __init__(self, base):
        host, _, port = base.removeprefix("http://").partition(":")
        self.address, self.host = (host, int(port)), f"{host}:{port}"
        self.socket, self.got, self.asked = None, bytearray(), None

    def ask(self, request, head):
        """Sends a request; False where the gateway is not there."""
        _, method, path, body = request
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        kind = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        try:
            if self.socket is None:
                self.socket = socket.create_connection(self.address, timeout=PATIENCE)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{head}{kind}\r\n".encode() + data)
        except OSError:
            return False
        self.asked, self.since = request, time.monotonic()
        return True

    def read(self):
        """The status and the body once they are whole; None while they are not. `OSError` where they never will be."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("closed in mid-answer")
        self.got += part
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self.got[:end].decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        if "content-length" not in fields:
            raise ConnectionError("an answer without its length")
        whole = end + 4 + int(fields["content-length"])
        if len(self.got) < whole:
            return None
        body, self.got = bytes(self.got[end + 4 : whole]), self.got[whole:]
        try:
            answer = json.loads(body)
        except ValueError:
            answer = body.decode("utf-8", "replace")
        return int(lines[0].split(" ")[1]), answer

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket, self.got, self.asked = None, bytearray(), None


def ask_many(bases, token, requests, connections=CONNECTIONS):
    """`requests`: (whatever names it, method, path, body or None). Yields each name with status and answer as they come; status 0
    where none came. What only reads is asked once more, elsewhere where there are several gateways."""
    head = f"Authorization: Bearer {token}\r\n" if token else ""
    todo, again, out = deque(requests), set(), deque()
    idle = [Connection(bases[n % len(bases)]) for n in range(min(connections, max(len(todo), 1)))]
    with selectors.DefaultSelector() as waiting:

        def failed(connection, request):
            connection.close()
            if request[1] == "GET" and request[0] not in again:
                again.add(request[0])
                todo.append(request)
                # Behind the others, so that another connection takes it.
                idle.insert(0, connection)
            else:
                out.append((request[0], 0, "no answer"))
                idle.append(connection)

        while todo or waiting.get_map():
            while todo and idle:
                connection, request = idle.pop(), todo.popleft()
                if connection.ask(request, head):
                    waiting.register(connection.socket, selectors.EVENT_READ, connection)
                else:
                    failed(connection, request)
                yield from drained(out)
            ready = waiting.select(timeout=1) if waiting.get_map() else []
            for key, _ in ready:
                connection = key.data
                try:
                    answer = connection.read()
                except OSError:
                    waiting.unregister(key.fileobj)
                    failed(connection, connection.asked)
                    continue
                if answer is not None:
                    waiting.unregister(key.fileobj)
                    out.append((connection.asked[0], *answer))
                    connection.asked = None
                    idle.append(connection)
            if not ready:
                late = [k for k in waiting.get_map().values() if time.monotonic() - k.data.since > PATIENCE]
                for key in late:
                    waiting.unregister(key.fileobj)
                    failed(key.data, key.data.asked)
            yield from drained(out)
    for connection in idle:
        connection.close()


def drained(out):
    while out:
        yield out.popleft()

#!/usr/bin/env python3
"""Two small forwarders of TCP, in a process of their own, told what to do line by line on standard input:

    proxy.py balance PORT BACKEND…   the balancer in front of the gateways: each new connection to the next of those whose
                                     /readyz says 200; connections to one that no longer does are closed, as balancers do
    proxy.py line PORT BACKEND       one gateway's line to Redis; `cut` leaves all connections open and carries nothing,
                                     `mend` carries on with what was held up, `drop` closes what was cut
"""

import asyncio
import sys

LOOK, PATIENCE = 0.3, 1.0


class End(asyncio.Protocol):
    """One end of a connection; what comes in here goes out at the other."""

    def __init__(self, line):
        self.line, self.other, self.transport = line, None, None
        # What came before there was another end, or while the line is cut: it is on the wire, and arrives after it.
        self.held, self.ended = [], False

    def connection_made(self, transport):
        self.transport = transport
        self.line.open.add(self)

    def data_received(self, data):
        if self.other is None or self.line.is_cut:
            self.held.append(data)
            if self.line.is_cut:
                self.transport.pause_reading()
        else:
            self.other.transport.write(data)

    def carry_on(self):
        if self.other is None:
            return
        for data in self.held:
            self.other.transport.write(data)
        self.held = []
        if self.ended:
            self.other.transport.close()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self):
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other is not None and not self.line.is_cut and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, _):
        self.line.open.discard(self)
        self.ended = True
        if self.other is not None and not self.held:
            self.other.transport.close()


class Line:
    """Forwards to one backend, unless it is cut."""

    def __init__(self, backend):
        self.backend = backend
        self.is_cut, self.open, self.early = False, set(), []

    def accept(self):
        """A caller's end; the other is connected as soon as the line is whole."""
        end = End(self)
        if self.is_cut:
            self.early.append(end)
        else:
            asyncio.get_running_loop().create_task(self.connect(end))
        return end

    async def connect(self, end):
        try:
            _, other = await asyncio.get_running_loop().create_connection(lambda: End(self), *self.backend)
        except OSError:
            end.transport.close()
            return
        end.other, other.other = other, end
        if not self.is_cut:
            end.carry_on()
            other.carry_on()

    def cut(self):
        self.is_cut = True

    def mend(self):
        self.is_cut = False
        early, self.early = self.early, []
        for end in early:
            asyncio.get_running_loop().create_task(self.connect(end))
        for end in list(self.open):
            end.carry_on()

    def close_all(self):
        for end in list(self.open):
            end.held = []
            end.transport.abort()


class Balancer:
    def __init__(self, backends):
        self.lines = [Line(b) for b in backends]
        self.up = set()
        self.turn = 0

    def accept(self):
        ready = [line for line in self.lines if line in self.up]
        if not ready:
            return Refusal()
        self.turn += 1
        return ready[self.turn % len(ready)].accept()

    async def watch(self, line):
        while True:
            if await self.is_ready(line.backend):
                self.up.add(line)
            elif line in self.up:
                self.up.discard(line)
                line.close_all()
            await asyncio.sleep(LOOK)

    async def is_ready(self, backend):
        async def ask():
            reader, writer = await asyncio.open_connection(*backend)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()

        try:
            return await asyncio.wait_for(ask(), PATIENCE)
        except (OSError, asyncio.TimeoutError):
            return False


class Refusal(asyncio.Protocol):
    """No gateway is ready."""

    def connection_made(self, transport):
        transport.close()


async def main(kind, port, *backends):
    backends = [(b.rsplit(":", 1)[0], int(b.rsplit(":", 1)[1])) for b in backends]
    here = Balancer(backends) if kind == "balance" else Line(backends[0])
    server = await asyncio.get_running_loop().create_server(here.accept, "127.0.0.1", int(port))
    watching = [asyncio.create_task(here.watch(line)) for line in here.lines] if kind == "balance" else []
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("listening", flush=True)
    while order := (await stdin.readline()).strip():
        if order == b"cut":
            here.cut()
        elif order == b"drop":
            here.close_all()
        elif order == b"mend":
            here.mend()
    server.close()
    for task in watching:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

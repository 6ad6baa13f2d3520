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


class Line:
    """Forwards to one backend, unless it is cut."""

    def __init__(self, backend):
        self.backend = backend
        self.whole = asyncio.Event()
        self.whole.set()
        self.open = set()

    async def serve(self, reader, writer):
        await self.whole.wait()
        try:
            towards = await asyncio.open_connection(*self.backend)
        except OSError:
            writer.close()
            return
        both = {writer, towards[1]}
        self.open |= both
        try:
            await asyncio.gather(self.pump(reader, towards[1]), self.pump(towards[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= both
            for w in both:
                w.close()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                # What was read before the cut is on the wire, and arrives after it.
                await self.whole.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def close_all(self):
        for w in list(self.open):
            w.transport.abort()


class Balancer:
    def __init__(self, backends):
        self.lines = [Line(b) for b in backends]
        self.up = set()
        self.turn = 0

    async def serve(self, reader, writer):
        ready = [line for line in self.lines if line in self.up]
        if not ready:
            writer.close()
            return
        self.turn += 1
        await ready[self.turn % len(ready)].serve(reader, writer)

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


async def main(kind, port, *backends):
    backends = [(b.rsplit(":", 1)[0], int(b.rsplit(":", 1)[1])) for b in backends]
    here = Balancer(backends) if kind == "balance" else Line(backends[0])
    server = await asyncio.start_server(here.serve, "127.0.0.1", int(port))
    watching = [asyncio.create_task(here.watch(line)) for line in here.lines] if kind == "balance" else []
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("listening", flush=True)
    while order := (await stdin.readline()).strip():
        if order == b"cut":
            here.whole.clear()
        elif order == b"drop":
            here.close_all()
        elif order == b"mend":
            here.whole.set()
    server.close()
    for task in watching:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

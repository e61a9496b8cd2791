"""A line to a server on loopback that gives each connection only so much, as clouds do.

``python narrow_line.py PORT BYTES_PER_SECOND``: forwards to PORT, prints its own port. On the way it says 206
where rclone's S3 server, unlike S3, answers a range with 200: clients that look would take it for the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

_PIECE = 1 << 18
_OK, _PARTIAL = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 Partial Content\r\n"


async def _pass_on(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, bytes_per_second: float
) -> None:
    due = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(_PIECE):
            due = max(due, time.monotonic() - 0.05) + len(piece) / bytes_per_second
            if piece.startswith(_OK) and b"\r\nContent-Range: " in piece.partition(b"\r\n\r\n")[0]:
                piece = _PARTIAL + piece.removeprefix(_OK)
            target.write(piece)
            await target.drain()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    target.close()


async def _serve(port: int, bytes_per_second: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _pass_on(reader, behind_writer, bytes_per_second),
            _pass_on(behind_reader, writer, bytes_per_second),
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))

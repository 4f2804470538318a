"""A BigQuery that takes every streaming insert and keeps nothing: what the job does when the warehouse is no limit.

Example: python -m benchmarks.scale.acknowledging
"""

import asyncio
import json
import sys
from contextlib import suppress

_NOBODY = {"jobComplete": True, "schema": {"fields": [{"name": "tombstone", "type": "STRING"}]}, "totalRows": "0"}
"""What the one statement of the job finds: nobody has been erased."""


def answer_of(request_line: str, body: bytes) -> bytes:
    """The JSON that a request is answered with."""
    path = request_line.split(" ")[1].partition("?")[0]
    if path.endswith("/insertAll"):
        return b"{}"
    if path.endswith("/jobs"):
        return json.dumps({**json.loads(body), "status": {"state": "DONE"}}).encode()
    project, job = path.partition("/projects/")[2].split("/")[0], path.rpartition("/")[2]
    return json.dumps({**_NOBODY, "jobReference": {"projectId": project, "jobId": job}}).encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, request by request."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0] or 0)
            answer = answer_of(head.partition("\r\n")[0], await reader.readexactly(length))
            start = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
            writer.write(start.encode() + answer)
            await writer.drain()
    writer.close()


async def main() -> None:
    """Listen on a free port of loopback, which is printed as JSON."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**24)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

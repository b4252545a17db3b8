"""Where every tracer's exporter is pointed: one process, with a port for each.

    python sink.py COUNT

prints so many ports in a line, and ends when its standard input is closed. It answers what each
exporter wants to hear: Braintrust's API, the intakes of OTLP over HTTP, of logfire, langfuse and
Datadog. Bodies are kept as they come and read when a line of standard input names a port's place
(`0`), so that nothing is parsed while something is measured; the answer is how many calls arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run by its path, in a process that has no reason to know this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.arrivals import Arrivals
from benchmarks.connection import Answer, Request, listen, port, response

_HOST = re.compile(rb"\r\nhost: *([^\r]+)", re.IGNORECASE)
_ID = "00000000-0000-4000-8000-000000000000"
_PROJECT = {"id": _ID, "name": "bench", "org_id": _ID}
_INFO = {"project_name": "bench", "project_url": "http://127.0.0.1/bench"}  # logfire
_DONE = Answer(response(b"{}"))
_TAKEN = Answer(response(b"", kind=b"application/x-protobuf"))  # an empty ExportTraceServiceResponse


class Intake:
    """What came in on one port."""

    def __init__(self) -> None:
        self._bodies: list[tuple[str, bytes]] = []
        self._arrivals = Arrivals()

    def calls(self) -> int:
        """Gives how many calls arrived since it was made."""
        bodies, self._bodies = self._bodies, []
        for path, body in bodies:
            self._arrivals.add(path, body)
        return self._arrivals.calls

    def answer(self, request: Request) -> Answer:
        """Keeps what brings spans, and answers."""
        path = request.line.partition(b" ")[2].partition(b"?")[0].decode()
        if path.endswith("/v1/traces"):
            self._bodies.append((path, request.body))
            return _TAKEN
        if path.endswith(("/logs3", "/llmobs")):
            self._bodies.append((path, request.body))
            return _DONE
        if path.endswith("/insert"):
            self._bodies.append((path, request.body))
            return _json({"row_ids": [event["id"] for event in json.loads(request.body)["events"]]})
        return _administration(path, request)


def _administration(path: str, request: Request) -> Answer:
    """Answers what exporters ask besides."""
    if path.endswith("/apikey/login"):
        host = _HOST.search(request.head)
        url = f"http://{host[1].decode()}" if host else ""
        return _json({"org_info": [{"id": _ID, "name": "bench", "api_url": url, "proxy_url": url}]})
    if path.endswith("/project/register"):
        return _json({"project": _PROJECT})
    if path.endswith("/v1/project"):
        return _json({"objects": [_PROJECT]} if request.line.startswith(b"GET") else _PROJECT)
    if path.endswith("/version"):
        return _json({"version": "bench", "logs3_payload_max_bytes": 6 * 1024 * 1024})
    return _json(_INFO) if path.endswith("/v1/info") else _DONE


def _json(told: object) -> Answer:
    return Answer(response(json.dumps(told).encode()))


async def serve(count: int) -> None:
    """Serves until standard input ends."""
    intakes = [Intake() for _ in range(count)]
    servers = [await listen(intake.answer) for intake in intakes]
    print(*(port(server) for server in servers), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, partial(sys.stdin.readline)):
        print(intakes[int(line)].calls(), flush=True)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

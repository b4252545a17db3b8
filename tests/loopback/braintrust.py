"""A Braintrust on loopback, and a command that runs a program against it.

    python -m tests.loopback.braintrust -- python app.py

runs the program with the variables set that lead it here, prints the rows that came, and exits as the program did.
Without a program it serves until Ctrl-C.

It owns keys, limits, faults and what tests ask afterwards; `endpoints` owns the API itself.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from tests.loopback.catalog import Catalog
from tests.loopback.command import run
from tests.loopback.endpoints import Endpoints, Refusal
from tests.loopback.faults import Fault, Faults
from tests.loopback.listener import Line, Listener, Request
from tests.loopback.rows import Row
from tests.loopback.uploads import Attachment, references

if TYPE_CHECKING:
    from typing_extensions import Self

_TEXT = {"content-type": "text/plain; charset=utf-8"}
_JSON = {"content-type": "application/json; charset=utf-8"}


class BraintrustServer:
    """Listens from its construction; as a context manager, closes at the end of the block.

    `key` is the only API key that it lets in. `orgs` are the organisations which that key belongs to. A request body over
    `max_bytes` is refused, a put to a signed address excepted. `requests` holds all that arrived, refused ones too, in
    the order in which their bodies were complete.
    """

    def __init__(
        self,
        key: str = "loopback-braintrust-key",
        orgs: Sequence[str] = ("loopback",),
        max_bytes: int = 6 * 1024 * 1024,
        port: int = 0,
    ) -> None:
        self.key = key
        self.requests: list[Request] = []
        self._faults = Faults()
        self._catalog = Catalog(orgs)
        self._listener = Listener(self._answer, port)
        self.url = self._listener.url
        self._port = self._listener.port
        self._endpoints = Endpoints(self.url, max_bytes, self._catalog)

    def env(self, key: str | None = None) -> dict[str, str]:
        """The variables that lead a child process here; with another `key` than the server's, it is turned away."""
        return {
            "BRAINTRUST_API_KEY": self.key if key is None else key,
            "BRAINTRUST_API_URL": self.url,
            "BRAINTRUST_APP_URL": self.url,
        }

    def rows(self, project: str | None = None, experiment: str | None = None) -> list[Row]:
        """Copies of the merged rows, in order of first arrival.

        `project` names project logs, `experiment` an experiment, of that project if both are given; either may be an id.
        Without both, the rows of every project's logs and then of every experiment.
        """
        containers = self._containers(project, experiment)
        return [row for container in containers for row in self._endpoints.rows.of(container)]

    @property
    def deliveries(self) -> Counter[str]:
        """How often each row id was inserted; a span that was sent when it opened and when it ended counts twice."""
        return Counter(self._endpoints.rows.deliveries)

    @property
    def events(self) -> list[Row]:
        """Every accepted event as it came, before merging, in order of arrival."""
        return [event for _, event in list(self._endpoints.rows.events)]

    @property
    def clashes(self) -> list[str]:
        """The ids of rows that came more than once in one insert, of which Braintrust can't tell which is the later."""
        return list(self._endpoints.rows.clashes)

    @property
    def attachments(self) -> dict[str, Attachment]:
        """The attachments by key."""
        return dict(self._endpoints.uploads.attachments)

    @property
    def attachment_flaws(self) -> list[str]:
        """What is wrong with attachments: references that nothing was uploaded for, uploads that nobody reported done."""
        uploads = self._endpoints.uploads.attachments
        referred = [reference for row in self.rows() for reference in references(row)]
        flaws = [f"unknown key {found['key']}" for found in referred if found["key"] not in uploads]
        for found in referred:
            upload = uploads.get(str(found["key"]))
            if upload is not None and upload.content_type != found["content_type"]:
                flaws.append(f"{found['key']} is {upload.content_type}, not {found['content_type']}")
        for key, upload in uploads.items():
            if upload.status is None:
                flaws.append(f"no status of {key}")
            elif (upload.status["upload_status"] == "done") != (upload.data is not None):
                flaws.append(f"{key} is reported {upload.status['upload_status']}")
        return flaws

    def project_id(self, name: str) -> str:
        """The id of that project in the first organisation, which is made if there is none."""
        org_id = self._catalog.org_id(None)
        assert org_id is not None
        return str(self._catalog.create_project(org_id, name)["id"])

    def fault(
        self,
        path_prefix: str,
        status: int | None = None,
        times: int | None = 1,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes = b"fault on command",
        delay: float = 0.0,
        hang: bool = False,
        drop: bool = False,
        drip: bool = False,
        drip_head: bool = False,
        cut: bool = False,
        stored: bool = False,
    ) -> None:
        """Makes the next `times` requests under a path fail (None: every one until `heal`); see `Fault` for the ways."""
        given = dict(headers or {})
        self._faults.add(
            Fault(
                path_prefix,
                status,
                times,
                given,
                body,
                delay,
                hang,
                drop,
                drip=drip,
                drip_head=drip_head,
                cut=cut,
                stored=stored,
            )
        )

    @property
    def connections(self) -> int:
        """How many connections are open as the server sees it."""
        return self._listener.connections

    def heal(self) -> None:
        """Forgets every fault that is still to come."""
        self._faults.clear()

    def refuse(self) -> None:
        """Ends every connection and refuses new ones, until it listens again. What it has, it keeps."""
        self._listener.close()

    def listen(self) -> None:
        """Listens again, at the same address."""
        self._listener.close()
        self._listener = Listener(self._answer, self._port)

    def close(self) -> None:
        """Ends every connection, and stops listening."""
        self._listener.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, request: Request, line: Line) -> None:
        self.requests.append(request)
        fault = self._faults.taken(request.route) or Fault(request.route)
        if fault.delay:
            line.pause(fault.delay)
        lost = fault.hang or fault.drop or fault.status is not None
        if not lost or fault.stored:
            status, body, headers = self._outcome(request)
        if fault.hang:
            line.hang()
        elif fault.drop:
            line.drop()
        elif fault.status is not None:
            line.send(fault.status, fault.body, {**_TEXT, **fault.headers})
        else:
            line.send(
                status,
                body[: len(body) // 2] if fault.cut else body,
                {**headers, **fault.headers},
                content_length=len(body),
                drip=1.0 if fault.drip else 0.0,
                drip_head=1.0 if fault.drip_head else 0.0,
            )

    def _outcome(self, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            if request.method == "PUT":
                self._put(request)
                return 200, b"", {}
            self._admit(request)
            return 200, json.dumps(self._endpoints.answer(request)).encode(), _JSON
        except Refusal as refusal:
            return refusal.status, str(refusal).encode(), _TEXT

    def _admit(self, request: Request) -> None:
        if request.header("authorization") != f"Bearer {self.key}":
            raise Refusal(401, "Invalid authorization: no such API key")
        if len(request.body) > self._endpoints.max_bytes:
            raise Refusal(413, f"Payload of {len(request.body)} bytes is over {self._endpoints.max_bytes}")

    def _put(self, request: Request) -> None:
        # As object stores answer: a signed address is the only key, and a body's length comes first.
        if request.header("authorization") is not None:
            raise Refusal(400, "Only one way of authorization is allowed")
        if request.header("transfer-encoding") is not None:
            raise Refusal(501, "A header implies functionality that is not implemented: Transfer-Encoding")
        if not self._endpoints.uploads.put(request.route, request.header("content-type"), request.body):
            raise Refusal(403, "The address was not signed for that")

    def _containers(self, project: str | None, experiment: str | None) -> list[str]:
        projects = [item for item in self._catalog.projects() if project in (None, item["name"], item["id"])]
        logs = [str(item["id"]) for item in projects]
        experiments = [
            str(item["id"])
            for item in self._catalog.experiments()
            if experiment in (None, item["name"], item["id"]) and item["project_id"] in logs
        ]
        if experiment is not None:
            return experiments
        return logs if project is not None else logs + experiments


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], lambda port: BraintrustServer(port=port)))

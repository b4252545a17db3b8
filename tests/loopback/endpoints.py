"""The paths of the Braintrust API that the SDK and bttrace use, and what each answers.

It owns the shapes of requests and answers. It must not know of sockets, keys, limits or faults. Sources: the public
OpenAPI document and braintrust 0.47 (logger.py, api/auth.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.loopback.catalog import Catalog, Entry
from tests.loopback.listener import Request, strict_json
from tests.loopback.rows import Row, Rows
from tests.loopback.schema import flaw
from tests.loopback.uploads import Uploads


class Refusal(Exception):
    """An answer with an error status, and its message as plain text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Endpoints:
    """Answers authorised requests; `url` is the server's own address, `max_bytes` what GET /version says of log payloads."""

    url: str
    max_bytes: int
    catalog: Catalog
    rows: Rows = field(default_factory=Rows)
    uploads: Uploads = field(default_factory=Uploads)

    def answer(self, request: Request) -> object:
        """What the API returns, to be sent as JSON; raises Refusal."""
        for method, pattern, endpoint in _ENDPOINTS:
            if method == request.method and (match := pattern.fullmatch(request.route)):
                return endpoint(self, request, *match.groups())
        raise Refusal(404, f"No such endpoint: {request.method} {request.route}")

    def login(self, request: Request) -> object:
        return {"org_info": self.catalog.org_info(self.url)}

    def version(self, request: Request) -> object:
        return {"version": "loopback", "logs3_payload_max_bytes": self.max_bytes}

    def create_project(self, request: Request) -> object:
        body = _object(request)
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise Refusal(400, "name: Expected non-empty string")
        return self.catalog.create_project(self._org_id(request, body), name, _text(body, "description"))

    def register_project(self, request: Request) -> object:
        """What braintrust before 0.47 asks the app for, instead of `create_project`."""
        body = _object(request)
        return {
            "project": self.catalog.create_project(_required(body, "org_id"), _required(body, "project_name"))
        }

    def projects(self, request: Request) -> object:
        name, org = request.query.get("project_name"), request.query.get("org_name")
        if org is not None and self.catalog.org_id(org) is None:
            return {"objects": []}
        return {"objects": self.catalog.projects(name, self.catalog.org_id(org) if org else None)}

    def project(self, request: Request, project_id: str) -> object:
        return _known(self.catalog.project(project_id), "project", project_id)

    def project_by_id(self, request: Request) -> object:
        """Gives a project as `init_logger(project_id=...)` asks for it (braintrust 0.0.123 to 0.47, `logger.py`)."""
        return self.project(request, request.query.get("id", ""))

    def create_experiment(self, request: Request) -> object:
        body = _object(request)
        project_id = _required(body, "project_id")
        _known(self.catalog.project(project_id), "project", project_id)
        return self.catalog.create_experiment(body)

    def experiments(self, request: Request) -> object:
        query = request.query
        project_id = query.get("project_id")
        if "project_name" in query:
            found = self.catalog.projects(query["project_name"])
            project_id = str(found[0]["id"]) if found else ""
        return {"objects": self.catalog.experiments(query.get("experiment_name"), project_id)}

    def experiment(self, request: Request, experiment_id: str) -> object:
        return _known(self.catalog.experiment(experiment_id), "experiment", experiment_id)

    def summary(self, request: Request, experiment_id: str) -> object:
        experiment = _known(self.catalog.experiment(experiment_id), "experiment", experiment_id)
        project = _known(self.catalog.project(str(experiment["project_id"])), "project", experiment_id)
        page = f"{self.url}/app/p/{project['name']}"
        names = {"project_name": project["name"], "experiment_name": experiment["name"]}
        links = {"project_url": page, "experiment_url": f"{page}/experiments/{experiment['name']}"}
        scores = _means(self.rows.of(experiment_id))
        return {**names, **links, "comparison_experiment_name": None, "scores": scores, "metrics": {}}

    def base_experiment(self, request: Request) -> object:
        raise Refusal(400, "No base experiment")

    def insert_logs(self, request: Request, project_id: str) -> object:
        _known(self.catalog.project(project_id), "project", project_id)
        return {"row_ids": self.rows.insert(project_id, _events(_object(request)))}

    def insert_experiment(self, request: Request, experiment_id: str) -> object:
        _known(self.catalog.experiment(experiment_id), "experiment", experiment_id)
        return {"row_ids": self.rows.insert(experiment_id, _events(_object(request)))}

    def logs3(self, request: Request) -> object:
        rows = self._logs3_rows(_object(request))
        containers = [self._container(row) for row in rows]
        identities = []
        for container, row in zip(containers, rows, strict=True):
            if "comment" not in row:
                identities += self.rows.insert(container, [row])
        return {"ids": identities}

    def overflow(self, request: Request) -> object:
        content_type = _required(_object(request), "content_type")
        key, path = self.uploads.overflow_path(content_type)
        headers = {"Content-Type": content_type}
        return {"method": "PUT", "signedUrl": self.url + path, "headers": headers, "key": key}

    def attachment(self, request: Request) -> object:
        body = _object(request)
        key, filename, content_type = (_required(body, name) for name in ("key", "filename", "content_type"))
        self._check_org(body)
        path = self.uploads.attachment_path(key, filename, content_type)
        return {"signedUrl": self.url + path, "headers": {"Content-Type": content_type}}

    def attachment_status(self, request: Request) -> object:
        body = _object(request)
        key, status = _required(body, "key"), body.get("status")
        self._check_org(body)
        if key not in self.uploads.attachments:
            raise Refusal(404, f"No such attachment: {key}")
        if not isinstance(status, dict) or status.get("upload_status") not in ("uploading", "done", "error"):
            raise Refusal(400, "status: Invalid upload_status")
        self.uploads.attachments[key].status = status
        return {}

    def _check_org(self, body: Entry) -> None:
        org_id = _required(body, "org_id")
        if org_id not in [org["id"] for org in self.catalog.org_info(self.url)]:
            raise Refusal(400, f"org_id: No such organization: {org_id!r}")

    def _org_id(self, request: Request, body: Entry) -> str:
        name = _text(body, "org_name") or request.header("x-bt-org-name")
        org_id = self.catalog.org_id(name)
        if org_id is None:
            raise Refusal(400, f"No such organization: {name}")
        return org_id

    def _logs3_rows(self, body: Entry) -> list[Row]:
        if body.get("api_version") != 2:
            raise Refusal(400, "api_version: Expected 2")
        rows = body.get("rows")
        if isinstance(rows, dict) and rows.get("type") == "logs3_overflow":
            payload = self.uploads.overflows.get(_required(rows, "key"))
            if payload is None:
                raise Refusal(400, "rows: No payload was uploaded for that key")
            rows = _parsed(payload).get("rows")
        if not isinstance(rows, list):
            raise Refusal(400, "rows: Expected array")
        for position, row in enumerate(rows):
            if complaint := flaw(row, row=True):
                raise Refusal(400, f"rows[{position}]: {complaint}")
            if not isinstance(row.get("id"), str):
                raise Refusal(400, f"rows[{position}]: id: Required")
        return rows

    def _container(self, row: Row) -> str:
        if "experiment_id" in row:
            experiment_id = str(row["experiment_id"])
            _known(self.catalog.experiment(experiment_id), "experiment", experiment_id)
            return experiment_id
        if row.get("log_id") == "g":
            project_id = str(row.get("project_id"))
            _known(self.catalog.project(project_id), "project", project_id)
            return project_id
        for name in ("dataset_id", "prompt_session_id"):
            if name in row:
                return str(row[name])
        raise Refusal(400, "A row names no project logs, experiment, dataset or prompt session")


def _object(request: Request) -> Entry:
    return _parsed(request.body)


def _parsed(payload: bytes) -> Entry:
    try:
        body = strict_json(payload)
    except ValueError as error:
        raise Refusal(400, f"Invalid JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "Expected object")
    return body


def _text(body: Mapping[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal(400, f"{name}: Expected string")
    return value


def _required(body: Mapping[str, object], name: str) -> str:
    value = _text(body, name)
    if value is None:
        raise Refusal(400, f"{name}: Required")
    return value


def _known(entry: Entry | None, kind: str, identity: str) -> Entry:
    if entry is None:
        raise Refusal(404, f"No such {kind}: {identity}")
    return entry


def _events(body: Entry) -> list[Row]:
    events = body.get("events")
    if not isinstance(events, list):
        raise Refusal(400, "events: Expected array")
    for position, event in enumerate(events):
        if complaint := flaw(event):
            raise Refusal(400, f"events[{position}]: {complaint}")
    return events


def _means(rows: list[Row]) -> dict[str, Entry]:
    # braintrust 0.47, framework.py: an Eval puts its scores on the scorer spans alone, not on the root.
    found: dict[str, list[float]] = {}
    for row in rows:
        scores = row.get("scores")
        for name, score in scores.items() if isinstance(scores, dict) else ():
            if score is not None:
                found.setdefault(name, []).append(score)
    unchanged = {"improvements": 0, "regressions": 0}
    return {
        name: {"name": name, "score": sum(values) / len(values), **unchanged}
        for name, values in found.items()
    }


_PATHS: tuple[tuple[str, str, Callable[..., object]], ...] = (
    ("POST", "/api/apikey/login", Endpoints.login),
    ("POST", "/api/project/register", Endpoints.register_project),
    ("POST", "/api/base_experiment/get_id", Endpoints.base_experiment),
    ("GET", "/version", Endpoints.version),
    ("GET", "/api/project", Endpoints.project_by_id),
    ("POST", "/v1/project", Endpoints.create_project),
    ("GET", "/v1/project", Endpoints.projects),
    ("GET", "/v1/project/([^/]+)", Endpoints.project),
    ("POST", "/v1/project_logs/([^/]+)/insert", Endpoints.insert_logs),
    ("POST", "/v1/experiment", Endpoints.create_experiment),
    ("GET", "/v1/experiment", Endpoints.experiments),
    ("GET", "/v1/experiment/([^/]+)", Endpoints.experiment),
    ("GET", "/v1/experiment/([^/]+)/summarize", Endpoints.summary),
    ("POST", "/v1/experiment/([^/]+)/insert", Endpoints.insert_experiment),
    ("POST", "/logs3", Endpoints.logs3),
    ("POST", "/logs3/overflow", Endpoints.overflow),
    ("POST", "/attachment", Endpoints.attachment),
    ("POST", "/attachment/status", Endpoints.attachment_status),
)
_ENDPOINTS = tuple((method, re.compile(path), endpoint) for method, path, endpoint in _PATHS)

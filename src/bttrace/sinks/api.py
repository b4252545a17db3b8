"""Braintrust's public REST API, as far as delivery needs it.

Owns addresses, the key and what each answer means. Knows nothing of queues or retries:
every method makes its requests once and raises `Refused`, `Unsuitable` or `Unavailable`.
The deadline of a request is seconds of `time.monotonic`.

Source: https://www.braintrust.dev/docs/api-reference; for the login and attachments
braintrust 0.47 (`api/auth.py`, `logger.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit

from ..config import Config
from ..model import Json
from ..values import json_object, objects, text
from .answers import INSERT, Refused, Unsuitable, is_passing, meaning, parsed, seconds
from .transport import Misaddressed, Transport, Unavailable, host

_GOOD = range(200, 300)
_MOST_PROJECTS = 1_000  # of which the names are asked for
_AZURE = ".blob.core.windows.net"  # its address does not tell it what is put there


class BraintrustApi:
    """One project of one organisation, found with the first insert."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._api_url = config.api_url
        self.project_id = config.project_id  # `None` until it is looked up
        self._orgs: list[Json] | None = None
        self._transport = Transport()

    def prepare(self, deadline: float) -> None:
        """Finds out what an insert needs to know."""
        self.project(deadline)
        self._api(deadline)

    def insert(self, events: Sequence[bytes], deadline: float) -> int:
        """Inserts encoded log rows; gives how many the API confirmed."""
        project = self.project(deadline)
        body = b'{"events":[' + b",".join(events) + b"]}"
        path = f"{INSERT}{quote(project, safe='')}/insert"
        answer = self._request("POST", self._api(deadline), path, deadline, body)
        row_ids = answer.get("row_ids")
        return len(row_ids) if isinstance(row_ids, list) else len(events)

    def signed(self, reference: Json, deadline: float) -> tuple[str, dict[str, str]]:
        """Announces an attachment; gives the address that takes its bytes, and the headers to send there."""
        content_type = str(reference["content_type"])
        named = {name: reference[name] for name in ("key", "filename", "content_type")}
        answer = self._attachment("/attachment", named, deadline)
        url = text(answer.get("signedUrl"))
        if url is None:
            raise Unavailable(f"{self._api_url} gave no address for an attachment")
        headers = {name: str(value) for name, value in json_object(answer.get("headers")).items()}
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = content_type
        if (urlsplit(url).hostname or "").endswith(_AZURE):
            headers["x-ms-blob-type"] = "BlockBlob"
        return url, headers

    def put(self, url: str, headers: Mapping[str, str], data: bytes, deadline: float) -> None:
        """Puts an attachment's bytes to its address, which is signed, so that no key goes there."""
        try:
            answer = self._transport.answer("PUT", url, headers, data, deadline)
        except Misaddressed:
            raise Unsuitable("the address for an attachment is none") from None
        if answer.status in _GOOD:
            return
        said = f"{host(url)} answers {answer.status} to an attachment"
        if is_passing(answer.status):
            raise Unavailable(said, seconds(answer))
        raise Unsuitable(said)

    def report(self, reference: Json, fault: str | None, deadline: float) -> None:
        """Says that an attachment is there, or why it is not."""
        status = {"upload_status": "error", "error_message": fault} if fault else {"upload_status": "done"}
        self._attachment("/attachment/status", {"key": reference["key"], "status": status}, deadline)

    def close(self) -> None:
        """Closes all connections."""
        self._transport.close()

    def _attachment(self, path: str, said: Json, deadline: float) -> Json:
        identity = self.organisation(deadline).get("id")
        body = json.dumps({**said, "org_id": text(identity) or ""}).encode()
        return self._request("POST", self._api(deadline), path, deadline, body)

    def _api(self, deadline: float) -> str:
        if self._api_url is None:
            told = text(self.organisation(deadline).get("api_url")) or "https://api.braintrust.dev"
            self._api_url = told.rstrip("/")
        return self._api_url

    def organisations(self, deadline: float) -> list[Json]:
        """Gives what the login says of each organisation of the key."""
        if self._orgs is None:
            app = self._config.app_url
            told = self._request("POST", app, "/api/apikey/login", deadline, b"{}").get("org_info")
            if not isinstance(told, list):
                raise Refused(f"{host(app)} does not speak Braintrust's API", "check BRAINTRUST_APP_URL.")
            self._orgs = list(objects(told))
        return self._orgs

    def organisation(self, deadline: float) -> Json:
        """Gives what the login says of the organisation that is meant."""
        organisations = self.organisations(deadline)
        wanted = self._config.org_name
        named = [org for org in organisations if wanted is None or org.get("name") == wanted]
        if not named:
            known = ", ".join(repr(org.get("name")) for org in organisations) or "none"
            raise Refused(
                f"BRAINTRUST_ORG_NAME={wanted!r} is not an organisation of this key",
                f"it has: {known}.",
                "unknown-organisation",
            )
        return named[0]

    def project(self, deadline: float) -> str:
        """Gives the id of the project, which is looked up, or made, if it is not known yet."""
        if self.project_id is None:
            self.project_id = self._project_by_name(deadline)
        return self.project_id

    def _project_by_name(self, deadline: float) -> str:
        project = self.known_project(deadline) or self.made_project(deadline)
        identity = text(project.get("id"))
        if identity is None:
            raise Unavailable(f"{self._api_url} gave no id for project {self._config.project!r}")
        return identity

    def known_project(self, deadline: float) -> Json | None:
        """Gives the project, by its id or name; `None` if none has that name."""
        if self._config.project_id:
            path = f"/v1/project/{quote(self._config.project_id, safe='')}"
            return self._request("GET", self._api(deadline), path, deadline)
        return next(iter(self._projects({"project_name": self._config.project}, deadline)), None)

    def made_project(self, deadline: float) -> Json:
        """Makes the project of that name, or gives the one that there is."""
        body = json.dumps({"name": self._config.project, **self._owner()}).encode()
        return self._request("POST", self._api(deadline), "/v1/project", deadline, body)

    def project_names(self, deadline: float) -> list[str]:
        """Gives the names of the projects that the key can see, as far as one answer holds them."""
        found = self._projects({"limit": _MOST_PROJECTS}, deadline)
        return [name for project in found if (name := text(project.get("name")))]

    def _projects(self, wanted: Mapping[str, object], deadline: float) -> list[Json]:
        path = f"/v1/project?{urlencode({**wanted, **self._owner()})}"
        found = self._request("GET", self._api(deadline), path, deadline).get("objects")
        if not isinstance(found, list):
            raise Refused(
                f"{host(self._api(deadline))} does not speak Braintrust's API", "check BRAINTRUST_API_URL."
            )
        return list(objects(found))

    def _owner(self) -> dict[str, str]:
        org = self._config.org_name
        return {"org_name": org} if org else {}

    def _request(self, method: str, base: str, path: str, deadline: float, body: bytes | None = None) -> Json:
        headers = {"Authorization": f"Bearer {self._config.api_key}", "Content-Type": "application/json"}
        try:
            answer = self._transport.answer(method, base + path, headers, body, deadline)
        except Misaddressed:
            raise Refused(
                f"{host(base)} is not an address", "check BRAINTRUST_API_URL and BRAINTRUST_APP_URL."
            ) from None
        if answer.status in _GOOD:
            return parsed(answer.data, base)
        if path.startswith(INSERT) and answer.status == HTTPStatus.NOT_FOUND:
            self.project_id = self._config.project_id  # it was deleted: the next try finds or makes it again
        raise meaning(answer, base, path, self._config)

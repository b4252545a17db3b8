"""Braintrust's public REST API, as far as delivery needs it.

Owns addresses, the key, HTTP and what each answer means. Knows nothing of queues or
retries: every method makes its requests once and raises `Refused`, `Unsuitable` or `Unavailable`.
The deadline of a request is seconds of `time.monotonic`.

Source: https://www.braintrust.dev/docs/api-reference, and for the login braintrust 0.47
(`api/auth.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from ..config import Config
from ..model import Json
from ..values import json_object, objects, text

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 20.0
_GOOD = range(200, 300)
_UNKNOWN = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_UNSUITABLE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Refused(Exception):
    """The API will not take anything from us as we are set up; the message says why and what to do."""


class Unsuitable(Exception):
    """The API will not take this request's body: it is too large, or a row in it is wrong."""


class Unavailable(Exception):
    """The API can't be reached or can't answer now. `retry_after` is seconds, if it said."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BraintrustApi:
    """One project of one organisation, found with the first insert."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._api_url = config.api_url
        self._project_id = config.project_id
        self._pools: dict[str, urllib3.PoolManager] = {}

    def insert(self, events: Sequence[bytes], deadline: float) -> int:
        """Inserts encoded log rows; gives how many the API confirmed."""
        project = self._project(deadline)
        body = b'{"events":[' + b",".join(events) + b"]}"
        path = f"/v1/project_logs/{quote(project, safe='')}/insert"
        answer = self._request("POST", self._api(deadline), path, deadline, body)
        row_ids = answer.get("row_ids")
        return len(row_ids) if isinstance(row_ids, list) else len(events)

    def close(self) -> None:
        """Closes all connections."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()

    def _api(self, deadline: float) -> str:
        if self._api_url is None:
            self._api_url = self._login(deadline)
        return self._api_url

    def _login(self, deadline: float) -> str:
        answer = self._request("POST", self._config.app_url, "/api/apikey/login", deadline, b"{}")
        organisations = list(objects(answer.get("org_info")))
        wanted = self._config.org_name
        named = [org for org in organisations if wanted is None or org.get("name") == wanted]
        if not named:
            known = ", ".join(repr(org.get("name")) for org in organisations) or "none"
            raise Refused(
                f"BRAINTRUST_ORG_NAME={wanted!r} is not an organisation of this key; it has: {known}."
            )
        return (text(named[0].get("api_url")) or "https://api.braintrust.dev").rstrip("/")

    def _project(self, deadline: float) -> str:
        if self._project_id is None:
            self._project_id = self._project_by_name(deadline)
        return self._project_id

    def _project_by_name(self, deadline: float) -> str:
        name, org = self._config.project, self._config.org_name
        owner = {"org_name": org} if org else {}
        query = urlencode({"project_name": name, **owner})
        found = self._request("GET", self._api(deadline), f"/v1/project?{query}", deadline)
        project = next(objects(found.get("objects")), None)
        if project is None:
            body = json.dumps({"name": name, **owner}).encode()
            project = self._request("POST", self._api(deadline), "/v1/project", deadline, body)
        identity = text(project.get("id"))
        if identity is None:
            raise Unavailable(f"{self._api_url} gave no id for project {name!r}")
        return identity

    def _request(self, method: str, base: str, path: str, deadline: float, body: bytes | None = None) -> Json:
        remaining = max(deadline - time.monotonic(), 0.05)
        timeout = urllib3.Timeout(
            connect=min(_CONNECT_TIMEOUT, remaining), read=min(_READ_TIMEOUT, remaining)
        )
        headers = {"Authorization": f"Bearer {self._config.api_key}", "Content-Type": "application/json"}
        try:
            response = self._pool(base).request(
                method,
                base + path,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
            )
            data = response.data
        except urllib3.exceptions.LocationParseError:
            raise Refused(
                f"{base} is not an address; check BRAINTRUST_API_URL and BRAINTRUST_APP_URL."
            ) from None
        except urllib3.exceptions.HTTPError as fault:
            raise Unavailable(f"{_host(base)} can't be reached ({_reason(fault)})") from None
        if response.status in _GOOD:
            return _parsed(data, base)
        raise self._meaning(response, base, path, data)

    def _pool(self, base: str) -> urllib3.PoolManager:
        pool = self._pools.get(base)
        if pool is None:
            parts = urlsplit(base)
            proxy = getproxies().get(parts.scheme)
            direct = proxy is None or proxy_bypass(parts.hostname or "")
            pool = urllib3.PoolManager() if direct else urllib3.ProxyManager(str(proxy))
            self._pools[base] = pool
        return pool

    def _meaning(self, response: urllib3.BaseHTTPResponse, base: str, path: str, data: bytes) -> Exception:
        """Gives the exception that says what a refusal means and what to do about it."""
        status, host, own = response.status, _host(base), self._config
        said = data[:200].decode("utf-8", "replace").strip()
        insert = path.startswith("/v1/project_logs/")
        if status == HTTPStatus.UNAUTHORIZED:
            return Refused(
                f"{host} does not accept the key in BRAINTRUST_API_KEY (401): "
                "check it, or make one in the organisation's settings at Braintrust."
            )
        if insert and own.project_id and status in _UNKNOWN:
            return Refused(
                f"{host} knows no project BRAINTRUST_PROJECT_ID={own.project_id!r} for this key ({status}): "
                "check the id, or set BRAINTRUST_PROJECT_NAME instead."
            )
        if insert and status == HTTPStatus.NOT_FOUND:
            self._project_id = None  # it was deleted since; the next try finds or makes it again
            return Unavailable(f"{host} no longer has project {own.project!r} (404)")
        if status == HTTPStatus.FORBIDDEN:
            return Refused(f"{host} does not let this key write to project {own.project!r} (403): {said}")
        if insert and status in _UNSUITABLE:
            return Unsuitable(f"{host} refused rows ({status}): {said}")
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(f"{host} answers {status}", _seconds(response.headers.get("retry-after")))
        where = path.partition("?")[0]
        return Refused(f"{host} answers {status} to {where}: check BRAINTRUST_API_URL. {said}".strip())


def _parsed(data: bytes, base: str) -> Json:
    try:
        return json_object(json.loads(data))
    except ValueError:
        raise Refused(f"{base} does not speak Braintrust's API: check BRAINTRUST_API_URL.") from None


def _host(base: str) -> str:
    return urlsplit(base).netloc.rpartition("@")[2] or base


def _reason(fault: Exception) -> str:
    inner: BaseException = getattr(fault, "reason", None) or fault
    cause = inner.__cause__ or inner
    return getattr(cause, "strerror", None) or type(inner).__name__


def _seconds(header: str | None) -> float | None:
    try:
        return max(float(header), 0.0) if header else None
    except ValueError:
        return None

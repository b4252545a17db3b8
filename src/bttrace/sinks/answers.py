"""What an answer of Braintrust's API means, and what to do about it.

Source: https://www.braintrust.dev/docs/api-reference.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from ..config import Config
from ..model import Json
from ..values import json_object
from .transport import Answer, Unavailable, Why, host

INSERT = "/v1/project_logs/"  # how the path of an insert begins
_UNKNOWN = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_UNSUITABLE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_LONGEST = 300.0  # seconds that an answer can put off the next request


class Refused(Exception):
    """The API will not take anything from us as we are set up: `what` is wrong, and what to do about it."""

    def __init__(self, what: str, then: str, why: Why = "wrong-url") -> None:
        super().__init__(f"{what}: {then}")
        self.what = what
        self.why: Why = why


class Unsuitable(Exception):
    """The API will not take this request's body: it is too large, or something in it is wrong."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def meaning(answer: Answer, base: str, path: str, own: Config) -> Exception:
    """Gives the exception that says what a refusal means and what to do about it."""
    status, where = answer.status, host(base)
    said = answer.data[:200].decode("utf-8", "replace").strip()
    insert = path.startswith(INSERT)
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused(
            f"{where} does not accept the key in BRAINTRUST_API_KEY (401)",
            "check it, or make one in the organisation's settings at Braintrust.",
            "wrong-key",
        )
    by_id = path.startswith("/v1/project/")  # where an id that is no UUID is a bad request
    if own.project_id and (((insert or by_id) and status in _UNKNOWN) or (by_id and status in _UNSUITABLE)):
        return Refused(
            f"{where} knows no project BRAINTRUST_PROJECT_ID={own.project_id!r} for this key ({status})",
            "check the id, or set BRAINTRUST_PROJECT_NAME instead.",
            "unknown-project-id",
        )
    if insert and status == HTTPStatus.NOT_FOUND:
        return Unavailable(f"{where} no longer has project {own.project!r} (404)")
    if status == HTTPStatus.FORBIDDEN:
        refused = f"{where} does not let this key write to project {own.project!r} (403)"
        return Refused(refused, said, "forbidden")
    if (insert or path.startswith("/attachment")) and status in _UNSUITABLE:
        refused = f"{where} refused {'rows' if insert else 'an attachment'} ({status}): {said}"
        return Unsuitable(refused, too_large=status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if is_passing(status):
        busy = status == HTTPStatus.TOO_MANY_REQUESTS
        return Unavailable(
            f"{where} answers {status}",
            seconds(answer),
            "too-many-requests" if busy else "platform-error",
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return Refused(f"the proxy before {where} wants a password (407)", "check HTTP_PROXY.", "bad-proxy")
    asked = path.partition("?")[0]
    leads = f" and leads to {host(to)}" if (to := answer.headers.get("location")) else ""
    then = f"check BRAINTRUST_API_URL and BRAINTRUST_APP_URL. {said}".strip()
    return Refused(f"{where} answers {status} to {asked}{leads}", then)


def parsed(data: bytes, base: str) -> Json:
    """Gives the object in an answer."""
    try:
        return json_object(json.loads(data))
    except ValueError:
        raise Refused(
            f"{host(base)} does not speak Braintrust's API",
            "check BRAINTRUST_API_URL and BRAINTRUST_APP_URL.",
        ) from None


def is_passing(status: int) -> bool:
    """Tells whether an answer asks to try again later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def seconds(answer: Answer) -> float | None:
    """Gives how long an answer puts off the next request, if it does."""
    header = answer.headers.get("retry-after")
    try:
        told = float(header) if header else 0.0
    except ValueError:
        return None
    return min(told, _LONGEST) if told > 0 else None  # NaN is not

"""What a request says of the trace that it belongs to: OpenRouter's keys, whatever API it goes to. PURE.

Owns where the keys stand, which of two counts, and what they may be. What can't be taken is a
*fault*: it is left out, and all else counts. Source: fields.md, after OpenRouter's Broadcast
(`user`, `session_id`, `trace`), Anthropic's `metadata.user_id` and OpenAI's `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from re import compile as pattern

from ..classes import dataclass
from ..limits import NAME, SESSION_ID, USER_ID, checked, shown
from ..model import Json
from ..values import field, text
from .correlation import NOTHING, Correlation

_KEYS = frozenset(
    {
        "user",
        "safety_identifier",
        "session_id",
        "conversation",
        "prompt_cache_key",
        "trace",
        "metadata",
        "tags",
    }
)
_NAMES = ("trace_id", "trace_name", "span_name", "generation_name", "parent_span_id")
_USERS = ("user", "safety_identifier")
_OUR_FORM = pattern(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch

Fault = tuple[str, str]
"""The name of what can't be taken, and a sentence's part that says why."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace that a request asks to be in, and the names of what is around its span, and of that."""

    trace_id: str | None = None
    trace_name: str | None = None
    span_name: str | None = None
    generation_name: str | None = None
    parent_span_id: str | None = None

    @property
    def root_span_id(self) -> str | None:
        """Gives the trace's id as rows have it, which is the same in every process."""
        return None if self.trace_id is None else root_span_id(self.trace_id)


@dataclass(frozen=True, slots=True, repr=False)
class Said:
    """What one request says. `last_session` counts where nobody says which session it is."""

    correlation: Correlation = NOTHING
    trace: Trace | None = None
    last_session: str | None = None
    faults: tuple[Fault, ...] = ()


UNHEARD = Said()
"""What a request says that has none of the keys."""


def root_span_id(trace_id: str) -> str:
    """Gives a trace id as rows have it: as it is where it is of a form that Braintrust makes, else a hash."""
    return trace_id if _OUR_FORM(trace_id) else digest("trace", trace_id)[:32]


def digest(*parts: str) -> str:
    """Gives 64 hexadecimal digits that are the same for the same texts, everywhere."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def said(request: Json, session: str | None = None, foreign: frozenset[str] = frozenset()) -> Said:
    """Gives what a request says; `session` is its `x-session-id` header, keys in `foreign` mean other things.

    Never raises, whatever stands there.
    """
    if session is None and _KEYS.isdisjoint(request):
        return UNHEARD
    return _Reading({name: request[name] for name in _KEYS if name in request and name not in foreign}).told(
        session
    )


class _Reading:
    """The reading of one request, with the faults so far."""

    def __init__(self, found: Json) -> None:
        self._found = found
        self._faults: list[Fault] = []

    def told(self, header: str | None) -> Said:
        trace, metadata = self._object("trace"), self._object("metadata")
        names = {name: self._text(f"trace.{name}", trace.pop(name, None), NAME) for name in _NAMES}
        custom = {**metadata, **trace}
        users = [(name, self._found.get(name)) for name in _USERS]
        sessions = [
            ("session_id", self._found.get("session_id")),
            ("x-session-id", header),
            ("conversation", _conversation(self._found.get("conversation"))),
        ]
        for where, given in (("trace", trace), ("metadata", metadata)):
            users.append((f"{where}.user_id", given.get("user_id")))
            sessions.append((f"{where}.session_id", given.get("session_id")))
        for name in ("user_id", "session_id"):
            custom.pop(name, None)
        for name in ("trace_id", "trace_name"):  # by which a call is found, wherever it hangs
            if names[name] is not None:
                custom[name] = names[name]
        correlation = Correlation(
            self._first(sessions, SESSION_ID), self._first(users, USER_ID), self._tags(), custom
        )
        last, _ = checked(text(self._found.get("prompt_cache_key")), SESSION_ID)
        named = Trace(**names) if any(names.values()) else None
        return Said(correlation, named, last, tuple(self._faults))

    def _object(self, name: str) -> Json:
        """Gives a copy of an object; an empty one of anything else."""
        value = self._found.get(name)
        if isinstance(value, dict):
            return dict(value)
        if value is not None:
            self._faults.append((name, f"it is {_kind(value)}, and must be an object"))
        return {}

    def _first(self, candidates: Iterable[tuple[str, object]], most: int) -> str | None:
        """Gives the first that can be taken; those after it are not looked at."""
        return next(
            (found for name, value in candidates if (found := self._text(name, value, most)) is not None),
            None,
        )

    def _text(self, name: str, value: object, most: int) -> str | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            self._faults.append((name, f"it is {_kind(value)}, and must be a text"))
            return None
        found, fault = checked(value, most)
        if fault:
            self._faults.append((name, f"{fault} ({shown(value)})"))
        return found

    def _tags(self) -> tuple[str, ...]:
        value = self._found.get("tags")
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            self._faults.append(("tags", f"it is {_kind(value)}, and must be a list of texts"))
            return ()
        found = (self._text("tags", tag, NAME) for tag in value)
        return tuple(dict.fromkeys(tag for tag in found if tag is not None))


def _conversation(value: object) -> str | None:
    """Gives the id of a conversation, which stands in an object or by itself."""
    return text(field(value, "id")) if isinstance(value, dict) else text(value)


def _kind(value: object) -> str:
    """Gives what a value of JSON is, in words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a text" if isinstance(value, str) else shown(value)

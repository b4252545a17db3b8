"""What Braintrust accepts as an event, as its public OpenAPI document and the SDK's generated types say.

It owns the check of one event's fields. It must not know of HTTP, containers or merging.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

SPAN_TYPES = frozenset(
    ["llm", "score", "function", "eval", "task", "tool", "automation", "facet", "preprocessor", "classifier"]
).union(["review", "decision", "question", "log"])
"""braintrust 0.47, _generated_types.py, `SpanType`."""

_COUNTS = frozenset({"prompt_tokens", "completion_tokens", "tokens"})
_TIMES = frozenset({"start", "end"})
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

Check = Callable[[object], str | None]


def flaw(event: object, *, row: bool = False) -> str | None:
    """Says what is wrong with an event, or None. A `row` is an event of POST /logs3, which names its container too."""
    if not isinstance(event, dict):
        return "Expected object"
    checks = _ROW_CHECKS if row else _EVENT_CHECKS
    for name, value in event.items():
        if name not in checks:
            return f"Unrecognized key: {name}"
        if value is not None and (complaint := checks[name](value)):
            return f"{name}: {complaint}"
    return None


def _anything(value: object) -> None:
    return None


def _of(kind: type, word: str) -> Check:
    return lambda value: None if isinstance(value, kind) else f"Expected {word}"


def _strings(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "Expected array of strings"
    return None


def _tags(value: object) -> str | None:
    if complaint := _strings(value):
        return complaint
    assert isinstance(value, list)
    return None if len(set(value)) == len(value) else "Duplicate tag"


def _paths(value: object) -> str | None:
    if not isinstance(value, list) or any(_strings(path) for path in value):
        return "Expected array of paths"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _metrics(value: object) -> str | None:
    if not isinstance(value, dict):
        return "Expected object"
    for name, metric in value.items():
        if metric is None and name in _COUNTS | _TIMES:
            continue
        if not _is_number(metric):
            return f"{name}: Expected number"
        if name in _COUNTS and metric % 1 != 0:
            return f"{name}: Expected integer"
    return None


def _scores(value: object) -> str | None:
    if not isinstance(value, dict):
        return "Expected object"
    for name, score in value.items():
        if score is not None and not (_is_number(score) and 0 <= score <= 1):
            return f"{name}: Expected number from 0 to 1"
    return None


def _typed(fields: Mapping[str, Check]) -> Check:
    def complaint(value: object) -> str | None:
        if not isinstance(value, dict):
            return "Expected object"
        for name, check in fields.items():
            if value.get(name) is not None and (found := check(value[name])):
                return f"{name}: {found}"
        return None

    return complaint


def _span_type(value: object) -> str | None:
    return None if isinstance(value, str) and value in SPAN_TYPES else f"Invalid span type {value!r}"


def _purpose(value: object) -> str | None:
    return None if value == "scorer" else "Invalid purpose"


def _date(value: object) -> str | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return "Invalid datetime"
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return "Invalid datetime"
    return None


def _removals(value: object) -> str | None:
    if not isinstance(value, list):
        return "Expected array"
    for item in value:
        if (
            not isinstance(item, dict)
            or _strings(item.get("path"))
            or not isinstance(item.get("delete"), list)
        ):
            return "Expected objects with path and delete"
    return None


_TEXT = _of(str, "string")
_FLAG = _of(bool, "boolean")
_OBJECT = _of(dict, "object")
_LINE = _of(int, "integer")

_EVENT_CHECKS: dict[str, Check] = {
    "id": _TEXT,
    "span_id": _TEXT,
    "root_span_id": _TEXT,
    "span_parents": _strings,
    "span_attributes": _typed({"name": _TEXT, "type": _span_type, "purpose": _purpose}),
    "input": _anything,
    "output": _anything,
    "expected": _anything,
    "error": _anything,
    "scores": _scores,
    "metadata": _typed({"model": _TEXT}),
    "tags": _tags,
    "metrics": _metrics,
    "context": _typed({"caller_functionname": _TEXT, "caller_filename": _TEXT, "caller_lineno": _LINE}),
    "created": _date,
    "origin": _OBJECT,
    "facets": _OBJECT,
    "_object_delete": _FLAG,
    "_is_merge": _FLAG,
    "_merge_paths": _paths,
    "_array_delete": _removals,
    "_parent_id": _TEXT,
}
"""The fields of `InsertProjectLogsEvent` and `InsertExperimentEvent`; every one may be null."""

_ROW_CHECKS: dict[str, Check] = {
    **_EVENT_CHECKS,
    "org_id": _TEXT,
    "project_id": _TEXT,
    "log_id": _TEXT,
    "experiment_id": _TEXT,
    "dataset_id": _TEXT,
    "dataset_record_id": _TEXT,
    "prompt_session_id": _TEXT,
    "comment": _OBJECT,
    "_xact_id": _TEXT,
    "_audit_source": _TEXT,
    "_audit_metadata": _OBJECT,
    "_async_scoring_control": _OBJECT,
    "_skip_async_scoring": _FLAG,
}
"""What the SDK adds on its own way in: braintrust 0.47, logger.py and db_fields.py."""

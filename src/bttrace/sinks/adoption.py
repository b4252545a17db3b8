"""Spans inside the application's own braintrust spans.

Owns all that is known of the braintrust SDK's spans: how to find the one that is current, and
how to make ours its children, with the SDK that made it; so its project or experiment,
masking, customizers and delivery are the application's. `braintrust` is never imported
by us: where the application has not imported it, there is no such span.

Source: `current_span` and `Span` of braintrust 0.47 (`logger.py`).
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..model import Attachment, Json, Span

_SDK_SETS = ("span_id", "root_span_id", "span_parents", "span_attributes", "created", "_is_merge")
_REFUSED = ("context", "error")  # the one by braintrust before 0.5, both by 0.0.123
_SETTLED = object()  # in the place of an input that is not kept, because it changes no more
_MOST = 2000  # spans that are kept, because something may still come of them


def current_parent() -> Any:
    """Gives the application's own braintrust span that is current here; `None` without one."""
    braintrust = sys.modules.get("braintrust")
    current_span = getattr(braintrust, "current_span", None)  # last to be there while it is imported
    if braintrust is None or current_span is None:
        return None
    span = current_span()
    return None if span is braintrust.NOOP_SPAN else span


def masking_function() -> Callable[[Any], Any] | None:
    """Gives what the application gave to `braintrust.set_masking_function`, if anything.

    Braintrust 0.47 keeps it in a customizer of the global logger (`span_customizer.py`), which is
    made at the latest when it is set; versions before 0.40 or so in the logger itself.
    """
    state = getattr(sys.modules.get("braintrust.logger"), "_state", None)
    logger = getattr(getattr(state, "_global_bg_logger", None), "value", None)
    for customizer in getattr(logger, "_export_customizers", ()):
        found = getattr(customizer, "_masking_function", None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    found = getattr(logger, "masking_function", None)
    return found if callable(found) else None


class Adopted:
    """What became of our spans in the application's traces. For one thread, but for `made`.

    The SDK gives them ids of its own. What stands between the application's span and the
    model calls is kept by our ids: it gets children, and is completed, later. When too
    many are kept, those that have ended go first.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Made] = OrderedDict()

    def made(self, span_id: str) -> Any:
        """Gives the SDK's span that stands for ours; `None` if there is none any more."""
        kept = self._kept.get(span_id)
        return None if kept is None else kept.span

    def write(self, span: Span, parent: Any) -> bool:
        """Makes a span a child of its parent, or of the application's own; completes one that is kept.

        Never blocks: the SDK queues it and its attachments. Tells whether it could be done.
        """
        kept = self._kept.get(span.span_id)
        if kept is not None:
            kept.complete(span)
            self._kept.move_to_end(span.span_id)
            return True
        if span.merges:
            return False
        above = (self.made(above) for above in span.parents)
        made = _Made(span, next((one for one in above if one is not None), parent))
        if span.type != "llm":
            self._kept[span.span_id] = made
            if len(self._kept) > _MOST:
                ended = (name for name, one in self._kept.items() if one.has_ended)
                del self._kept[next(ended, next(iter(self._kept)))]
        return True

    def forget(self) -> None:
        """Lets go of every span."""
        self._kept.clear()


class _Made:
    """One span of the SDK's, and what it must be told when ours changes."""

    __slots__ = ("_input", "_names", "has_ended", "span")

    def __init__(self, ours: Span, parent: Any) -> None:
        event = _event(ours)
        end = event["metrics"].pop("end", None)
        start = event["metrics"].pop("start")
        event.update(name=ours.name, span_attributes={"type": ours.type}, start_time=start, set_current=False)
        self.span = _accepted(parent.start_span, event)
        self.has_ended = end is not None
        self._names = event["metadata"].keys()
        self._input: object = _SETTLED if self.has_ended else ours.input
        if end is not None:
            self.span.end(end)

    def complete(self, ours: Span) -> None:
        """Tells the SDK's span what ours is now; what is no longer so is emptied, because the SDK merges."""
        event = _event(ours)
        gone = dict.fromkeys(self._names - ours.metadata.keys())
        told = {
            "output": event.get("output"),
            "error": event.get("error"),
            "metadata": {**gone, **event["metadata"]},
            "metrics": {name: value for name, value in event["metrics"].items() if name != "start"},
        }
        if self._input is not _SETTLED and ours.input != self._input:
            told["input"] = event.get("input")
        # `end` would keep the first end (`logger.py`), and a turn may go on.
        _accepted(self.span.log, {name: value for name, value in told.items() if value not in (None, {})})
        self.has_ended = "end" in ours.metrics
        self._names = ours.metadata.keys()
        self._input = _SETTLED if self.has_ended else ours.input


def _event(span: Span) -> dict[str, Any]:
    """Gives what an SDK's span is told of ours."""
    from ..spans.media import converted

    event: Json = span.row()
    for name in _SDK_SETS:
        event.pop(name, None)
    for name in ("input", "output"):
        if name in event:
            event[name] = converted(event[name], _theirs)
    event["metrics"] = dict(span.metrics)
    if span.tags and not _takes_tags():
        event["metadata"] = {**span.metadata, "tags": event.pop("tags")}
    return event


def _takes_tags() -> bool:
    """Tells whether a span in another may have tags: braintrust 0.4.0 raises (`logger.py`), 0.5 does not."""
    version: str = getattr(sys.modules.get("braintrust.version"), "VERSION", "")
    found = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return not found or found >= [0, 5]


def _accepted(log: Callable[..., Any], event: dict[str, Any], refused: tuple[str, ...] = _REFUSED) -> Any:
    """Gives what a method of the SDK gives for an event, without the fields that its version refuses."""
    try:
        return log(**event)
    except ValueError:  # nothing has been logged yet (`logger.py`)
        if not refused:
            raise
    name, *others = refused
    fewer = dict(event)
    if name in fewer:
        value = fewer.pop(name)
        if name == "error":
            fewer["metadata"] = {**fewer.get("metadata", {}), name: value}
    return _accepted(log, fewer, tuple(others))


def _theirs(attachment: Attachment) -> Any:
    """Gives an attachment as the SDK's own; as itself where the SDK is too old to have any."""
    kind = getattr(sys.modules.get("braintrust.logger"), "Attachment", None)
    if kind is None:
        return None
    return kind(data=attachment.data, filename=attachment.filename, content_type=attachment.content_type)

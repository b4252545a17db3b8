"""Spans inside the application's own braintrust spans.

Owns all that is known of the braintrust SDK: how to find the span that is current, and
how to make ours its child, with the SDK that made it; so its project or experiment,
masking, customizers and delivery are the application's. `braintrust` is never imported
by us: where the application has not imported it, there is no such span.

Source: `current_span` and `Span` of braintrust 0.47 (`logger.py`).
"""

from __future__ import annotations

import sys
from typing import Any

from ..media import converted
from ..model import Attachment, Span

_SDK_SETS = ("span_id", "root_span_id", "span_parents", "span_attributes", "created")


def current_parent() -> Any:
    """Gives the application's own braintrust span that is current here; `None` without one."""
    braintrust = sys.modules.get("braintrust")
    current_span = getattr(braintrust, "current_span", None)  # last to be there while it is imported
    if braintrust is None or current_span is None:
        return None
    span = current_span()
    return None if span is braintrust.NOOP_SPAN else span


def adopt(span: Span, parent: Any) -> None:
    """Makes a span a child of the application's own. Never blocks: the SDK queues it and its attachments."""
    event = span.row()
    for name in ("input", "output"):
        if name in event:
            event[name] = converted(event[name], _theirs)
    metrics = dict(span.metrics)
    start, end = metrics.pop("start"), metrics.pop("end")
    event["metrics"] = metrics
    for name in _SDK_SETS:
        event.pop(name, None)
    event.update(name=span.name, span_attributes={"type": span.type}, start_time=start, set_current=False)
    try:
        child = parent.start_span(**event)
    except ValueError:  # braintrust before 0.5 refuses `context`, and has logged nothing yet (`logger.py`)
        event.pop("context")
        child = parent.start_span(**event)
    child.end(end)


def _theirs(attachment: Attachment) -> Any:
    """Gives an attachment as the SDK's own; as itself where the SDK is too old to have any."""
    kind = getattr(sys.modules.get("braintrust.logger"), "Attachment", None)
    if kind is None:
        return None
    return kind(data=attachment.data, filename=attachment.filename, content_type=attachment.content_type)

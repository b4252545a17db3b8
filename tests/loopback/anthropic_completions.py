"""Replies of Anthropic's legacy POST /v1/complete, as recorded ones have them."""

from collections.abc import Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, sse, whole

_HEADERS = {"request-id": "req_loopback_complete"}


def completion(said: str = "".join(GREETING), stop_reason: str = "stop_sequence") -> Reply:
    """A whole completion."""
    return whole(_event(said, stop_reason), _HEADERS)


def completion_stream(parts: Sequence[str] = GREETING, stop_reason: str = "stop_sequence") -> Reply:
    """A streamed completion: a piece of text each, a ping, and the reason of the end with an empty piece."""
    events = [sse(_event(part, None), "completion") for part in parts]
    events.insert(1, sse({"type": "ping"}, "ping"))
    events.append(sse(_event("", stop_reason), "completion"))
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))


def _event(said: str, stop_reason: str | None) -> dict[str, object]:
    stop = "\n\nHuman:" if stop_reason == "stop_sequence" else None
    head = {"type": "completion", "id": "compl_loopback", "model": "claude-2.1"}
    return {**head, "completion": said, "stop_reason": stop_reason, "stop": stop, "log_id": "compl_loopback"}

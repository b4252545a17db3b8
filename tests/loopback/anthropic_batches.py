"""Replies of Anthropic's POST /v1/messages/count_tokens, and of all that lies under /v1/messages/batches."""

# ruff: noqa: A002 - arguments are called what the API calls its fields

import json
from collections.abc import Mapping, Sequence

from tests.loopback.reply import Reply, whole

Object = dict[str, object]

_TIMES = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
_HEADERS = {"request-id": "req_loopback_batches"}
_NONE_YET = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


def token_count(input_tokens: int = 14, **beside: object) -> Reply:
    """The count of a request's tokens."""
    return whole({"input_tokens": input_tokens, **beside}, {"request-id": "req_loopback_tokens"})


def batch(
    status: str = "in_progress",
    counts: Mapping[str, int] | None = None,
    *,
    id: str = "msgbatch_loopback",
    results_url: str | None = None,
) -> Reply:
    """The state of a batch; `counts` replaces single counts of none."""
    state: Object = {"id": id, "type": "message_batch", "processing_status": status, **_TIMES}
    state["request_counts"] = {**_NONE_YET, **(counts or {})}
    return whole({**state, "results_url": results_url}, _HEADERS)


def succeeded(custom_id: str, said: str = "4", usage: Mapping[str, int] | None = None) -> Object:
    """The result of a request that was answered."""
    counted = usage or {"input_tokens": 10, "output_tokens": 5}
    message = {"id": f"msg_{custom_id}", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    ending = {"stop_reason": "end_turn", "stop_sequence": None, "usage": counted}
    answered = {**message, "content": [{"type": "text", "text": said}], **ending}
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": answered}}


def errored(custom_id: str) -> Object:
    """The result of a request that was refused."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: Required"}}
    return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}


def expired(custom_id: str) -> Object:
    """The result of a request for which there was no time."""
    return {"custom_id": custom_id, "result": {"type": "expired"}}


def batch_results(*results: Object) -> Reply:
    """The results as JSON lines, each sent on its own."""
    return Reply(
        headers={"content-type": "application/binary", **_HEADERS},
        events=tuple(json.dumps(result).encode() + b"\n" for result in results),
    )


def requests(*custom_ids: str, model: str = "claude-haiku-4-5") -> Sequence[Object]:
    """What a batch is made of."""
    asked = [{"role": "user", "content": "2 + 2?"}]
    params = {"model": model, "max_tokens": 9, "messages": asked}
    return [{"custom_id": custom_id, "params": params} for custom_id in custom_ids]

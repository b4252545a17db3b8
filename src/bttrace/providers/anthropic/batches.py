"""Anthropic's batches of messages: begun by one call, asked after by others, read by a last one. PURE.

Source: `MessageBatch` and `MessageBatchIndividualResponse` of anthropic 2.11
(`types/messages`). A batch may hold 100,000 requests, so the spans name the first of them
and count the rest. They are tasks: the tokens that the results report were spent by the
batch, at its own price, and stand in the output where no price is put on them.
"""

from __future__ import annotations

from collections import Counter

from ...model import Endpoint, Json
from ...values import at, field, members, number, objects, text

NAMED = 1000  # requests, and results, that a span names one by one
_COUNTED = frozenset({"counts", "results", "usage"})


def named_requests(request: Json) -> object:
    """Gives the id and model of the requests of a batch, and how many there are beyond those."""
    asked = list(objects(request.get("requests")))
    named: list[Json] = [
        {"custom_id": one.get("custom_id"), "model": at(one, "params.model")} for one in asked[:NAMED]
    ]
    return [*named, {"more": len(asked) - NAMED}] if len(asked) > NAMED else named


def ended(response: Json) -> str | None:
    """Gives the id of a batch that has ended."""
    return text(response.get("id")) if response.get("processing_status") == "ended" else None


def _asked_for(request: Json) -> object:
    return {"message_batch_id": request.get("message_batch_id")}


class ResultsFold:
    """Counts the results of a batch by how they ended, sums their usage, and names the first of them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._usage: Counter[str] = Counter()
        self._named: list[object] = []

    def add(self, chunk: object) -> None:
        """Takes the next result."""
        kind = text(at(chunk, "result.type")) or "unknown"
        self._counts[kind] += 1
        if len(self._named) < NAMED:
            self._named.append({"custom_id": text(field(chunk, "custom_id")), "type": kind})
        for name, value in members(at(chunk, "result.message.usage")).items():
            count = number(value)
            if isinstance(count, int):
                self._usage[name] += count

    def response(self) -> Json:
        """Gives the counts so far; an empty object when no result came."""
        if not self._counts:
            return {}
        found: Json = {"counts": dict(self._counts), "results": list(self._named)}
        return {**found, "usage": dict(self._usage)} if self._usage else found


def _counted(response: Json) -> object:
    return {name: value for name, value in response.items() if name in _COUNTED} or None


CREATE_BATCH = Endpoint(
    path="/v1/messages/batches",
    api="messages.batches.create",
    braintrust_name="anthropic.messages.batches.create",
    type="task",
    response_model="anthropic.types.messages.MessageBatch",
    input=named_requests,
    output=("id", "processing_status", "request_counts"),
)
RETRIEVE_BATCH = Endpoint(
    path="/v1/messages/batches/{message_batch_id}",
    method="get",
    api="messages.batches.retrieve",
    braintrust_name="anthropic.messages.batches.retrieve",
    type="task",
    response_model="anthropic.types.messages.MessageBatch",
    input=_asked_for,
    output=("id", "processing_status", "request_counts"),
    settles=ended,
    polls=True,
)
BATCH_RESULTS = Endpoint(
    path="/v1/messages/batches/{message_batch_id}/results",
    method="get",
    api="messages.batches.results",
    braintrust_name="anthropic.messages.batches.results",
    type="task",
    chunk_model="anthropic.types.messages.MessageBatchIndividualResponse",
    input=_asked_for,
    output=_counted,
    fold=ResultsFold,
)

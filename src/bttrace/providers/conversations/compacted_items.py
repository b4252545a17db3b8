"""The compactions of a context, as OpenAI tells of them. PURE.

Source: openai 3.52, `types/responses`: a `compaction` item in a response, made because
`context_management` has a threshold or because the input ends with a `compaction_trigger`; and
`responses.compact`, which does nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from ...evidence import Answer, Asked, Compaction
from ...model import Json
from ...values import at, items, number, objects, text
from .compactions import summaries
from .responses import ResponsesConversation


class CompactConversation(ResponsesConversation):
    """Reads requests for a compaction, which belong to a conversation and are no step of a loop."""

    def asked(self, request: Json) -> Asked:
        """Gives what a request says."""
        return replace(super().asked(request), compacts=True)

    def answer(self, response: Json) -> Answer:
        """Gives what an answer says: which one it is, and the summary that it made."""
        return Answer(identity=text(response.get("id")), summaries=summaries(objects(response.get("output"))))


def compactions(request: Json, response: Json) -> tuple[Compaction, ...]:
    """Gives the compactions in a response, with what the request says of when they are to be made."""
    last = next(reversed(items(request.get("input"))), None)
    settings = (one for one in objects(request.get("context_management")) if one.get("type") == "compaction")
    trigger = last if at(last, "type") == "compaction_trigger" else next(settings, None)
    return tuple(
        Compaction(trigger, key=text(item.get("id")))
        for item in objects(response.get("output"))
        if item.get("type") == "compaction"
    )


def compacted(request: Json, response: Json) -> tuple[Compaction, ...]:
    """Gives the compaction that is a call of its own: it read the context, and wrote what is left of it."""
    trigger: Json = {"type": "responses.compact"}
    if request.get("previous_response_id") is not None:
        trigger["previous_response_id"] = request["previous_response_id"]
    read = {"tokens_before": "usage.input_tokens", "tokens_after": "usage.output_tokens"}
    counts = {name: count for name, path in read.items() if (count := number(at(response, path))) is not None}
    return (Compaction(trigger, counts),)

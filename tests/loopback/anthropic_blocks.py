"""Replies of Anthropic's POST /v1/messages with any content, and the same content as a stream.

Block: one entry of a message's content. A stream cuts it as Anthropic does: text, thinking and a tool's input in pieces,
citations and signatures one by one; every other block comes whole with its start.
"""

import json
from collections.abc import Mapping, Sequence

from tests.loopback.anthropic_messages import MESSAGE_USAGE
from tests.loopback.reply import STREAM, Reply, pieces, sse, whole

Object = dict[str, object]

_HEADERS = {"request-id": "req_loopback_blocks"}
_BESIDE = ("context_management",)


def content(
    blocks: Sequence[Object],
    *,
    beside: Mapping[str, object] | None = None,
    usage: Mapping[str, object] | None = None,
    model: str = "claude-haiku-4-5-20251001",
) -> Reply:
    """A whole message of these blocks; `beside` replaces fields of the message, `usage` of its `MESSAGE_USAGE`."""
    ending = {"content": list(blocks), "stop_reason": "end_turn", "stop_sequence": None}
    counted = {**MESSAGE_USAGE, **(usage or {})}
    return whole({**_head(model), **ending, **(beside or {}), "usage": counted}, _HEADERS)


def content_stream(
    blocks: Sequence[Object],
    *,
    beside: Mapping[str, object] | None = None,
    usage: Mapping[str, object] | None = None,
    model: str = "claude-haiku-4-5-20251001",
) -> Reply:
    """The same message as a stream: what is beside its content comes with the message_delta."""
    opening = {**_head(model), "content": [], "stop_reason": None, "stop_sequence": None}
    events = [_event("message_start", message={**opening, "usage": {**MESSAGE_USAGE, "output_tokens": 1}})]
    for index, block in enumerate(blocks):
        started, deltas = _cut(block)
        events.append(_event("content_block_start", index=index, content_block=started))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    ending = {"stop_reason": "end_turn", "stop_sequence": None, **(beside or {})}
    outside = {name: ending.pop(name) for name in _BESIDE if name in ending}
    counted = {"output_tokens": MESSAGE_USAGE["output_tokens"], **(usage or {})}
    events += [_event("message_delta", delta=ending, usage=counted, **outside), _event("message_stop")]
    return Reply(headers={**STREAM, **_HEADERS}, events=tuple(events))


def _head(model: str) -> Object:
    return {"id": "msg_loopback", "type": "message", "role": "assistant", "model": model}


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _cut(block: Object) -> tuple[Object, list[Object]]:
    """Gives a block as it starts, and the deltas that make it whole."""
    kind = block["type"]
    if kind == "text":
        cited = block.get("citations")
        notes: list[Object] = [
            {"type": "citations_delta", "citation": one} for one in (cited if isinstance(cited, list) else ())
        ]
        start = {**block, "text": "", **({"citations": []} if notes else {})}
        return start, [*notes, *_deltas("text", block["text"])]
    if kind == "thinking":
        sealed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*_deltas("thinking", block["thinking"]), sealed]
    if kind == "compaction":
        return {"type": kind, "content": None}, [{**block, "type": "compaction_delta"}]
    if "input" in block:
        said = pieces(json.dumps(block["input"]))
        deltas: list[Object] = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *said]]
        return {**block, "input": {}}, deltas
    return block, []


def _deltas(name: str, said: object) -> list[Object]:
    return [{"type": f"{name}_delta", name: piece} for piece in pieces(str(said))]

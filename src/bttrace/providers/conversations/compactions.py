"""The compactions of a context, as Anthropic tells of them. PURE.

Source: anthropic 2.11, `types/beta`: a `compaction` block holds the summary of what came before it;
`context_management.applied_edits` are results and thinking that were cleared; `usage.iterations` has
what was sampled in one answer, in order. What a compaction itself spent is no size of the context.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from ...evidence import Compaction
from ...model import Json
from ...values import at, number, objects, text
from .served_blocks import USES, compacted

_PROMPT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def compactions(request: Json, response: Json) -> tuple[Compaction, ...]:
    """Gives what was cleared, then what was summarised, with the edit that the request asked for."""
    asked = {text(edit.get("type")): edit for edit in objects(at(request, "context_management.edits"))}
    return (*_cleared(asked, response), *_summarised(request, asked, response))


def _cleared(asked: dict[str | None, Json], response: Json) -> Iterator[Compaction]:
    edits = list(objects(at(response, "context_management.applied_edits")))
    after = _context(response)
    counts: list[Json] = []
    for edit in reversed(edits):
        cleared = number(edit.get("cleared_input_tokens"))
        before = after + cleared if after is not None and cleared is not None else None
        counts.insert(0, _known(tokens_before=before, tokens_after=after))
        after = before
    for edit, told in zip(edits, counts, strict=True):
        kind = text(edit.get("type"))
        cleared_of = {name: edit[name] for name in edit if name.startswith("cleared_")}
        yield Compaction(asked.get(kind, {"type": kind}), {**told, **cleared_of})


def _summarised(request: Json, asked: dict[str | None, Json], response: Json) -> Iterator[Compaction]:
    blocks = list(enumerate(objects(response.get("content"))))
    found = [(index, block) for index, block in blocks if block.get("type") == "compaction"]
    sampled = list(objects(at(response, "usage.iterations")))
    places = [place for place, one in enumerate(sampled) if one.get("type") == "compaction"]
    trigger = request.get("compaction") or next(
        (edit for kind, edit in asked.items() if kind is not None and kind.startswith("compact_")), None
    )
    for position, (index, block) in enumerate(found):
        counts: Json = {}
        if len(places) == len(found):
            place = places[position]
            counts = _known(
                tokens_before=_size(sampled[place - 1], with_output=True) if place else None,
                tokens_after=_size(sampled[place + 1]) if place + 1 < len(sampled) else None,
            )
        failed = _held(block) is None and response.get("stop_reason") is not None
        yield Compaction(trigger, counts, compacted(index), failed=failed)


def _context(response: Json) -> float | None:
    """Gives the tokens of the context that was sampled first, unless it is known only in a sum."""
    sampled = list(objects(at(response, "usage.iterations")))
    if sampled:
        return _size(sampled[0])
    if any(block.get("type") in USES for block in objects(response.get("content"))):
        return None
    return _size({**_usage(response), "type": "message"})


def _usage(response: Json) -> Json:
    usage = response.get("usage")
    return usage if isinstance(usage, dict) else {}


def _size(sampled: Json, *, with_output: bool = False) -> float | None:
    """Gives the tokens of the context that a message was sampled with, or of it and the message."""
    if sampled.get("type") != "message" or number(sampled.get("input_tokens")) is None:
        return None
    names = (*_PROMPT, "output_tokens") if with_output else _PROMPT
    return sum(number(sampled.get(name)) or 0 for name in names)


def _known(**counts: float | None) -> Json:
    return {name: count for name, count in counts.items() if count is not None}


def left(blocks: list[Json]) -> frozenset[str]:
    """Gives the keys of the summaries after which an answer was paused."""
    return frozenset(summaries(blocks))


def resumed(messages: list[Json]) -> frozenset[str]:
    """Gives the key of the summary that the model said last, if nothing of the model's came after it."""
    for message in reversed(messages):
        if message.get("role") == "assistant":
            return left(list(objects(message.get("content")))[-1:])
    return frozenset()


def recalled(messages: list[Json]) -> str | None:
    """Gives the key of the latest summary in a history."""
    for message in reversed(messages):
        if found := summaries(objects(message.get("content"))):
            return found[-1]
    return None


def summaries(listed: Iterable[Json]) -> tuple[str, ...]:
    """Gives the keys of the summaries in some blocks, or in some items of OpenAI's."""
    held = (_held(one) for one in listed if one.get("type") == "compaction")
    return tuple(f"summary {sha256(said.encode('utf-8', 'replace')).hexdigest()}" for said in held if said)


def _held(block: Json) -> str | None:
    """Gives the summary that a compaction made, or its seal; `None` if it made none."""
    return text(block.get("content")) or text(block.get("encrypted_content"))

"""The tools that Anthropic runs by itself, in the blocks of a message and in the events of its stream. PURE.

Source: anthropic 2.11, `types/beta`: `server_tool_use` and `mcp_tool_use`, each with a block of its
result that ends in `_tool_result`, in the same message or, after `pause_turn` or results
that the application brings, in a later one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...evidence import Moment, Served
from ...model import Json
from ...values import at, field, json_object, text

USES = ("server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"


def served(blocks: Iterable[Json]) -> tuple[Served, ...]:
    """Gives the tools that were run, and the results of those that an earlier message asked for."""
    found: dict[str, Served] = {}
    for block in blocks:
        kind, name, used = text(block.get("type")) or "", text(block.get("name")), text(block.get("id"))
        of = text(block.get("tool_use_id"))
        if kind in USES and name is not None and used is not None:
            found[used] = Served(used, name, block.get("input"), is_done=False)
        elif kind.endswith(_RESULT) and of is not None:
            found[of] = _result(found.get(of) or Served(of, None), block)
    return tuple(found.values())


def _result(asked: Served, block: Json) -> Served:
    """Gives a tool with its result; one that failed has an error's code, or says no more than that."""
    content = block.get("content")
    error = text(json_object(content).get("error_code"))
    failed = error is not None or block.get("is_error") is True
    return Served(asked.id, asked.name, asked.arguments, content, error, failed=failed)


def moment(chunk: object) -> Moment | None:
    """Gives which tool an event begins or has the result of, or which compaction begins or ends with it."""
    kind = field(chunk, "type")
    if kind == "content_block_stop":
        return Moment(compacted(field(chunk, "index")), begins=False)
    if kind != "content_block_start":
        return None
    block = text(at(chunk, "content_block.type")) or ""
    used, of = text(at(chunk, "content_block.id")), text(at(chunk, "content_block.tool_use_id"))
    if block in USES and used is not None:
        return Moment(used, begins=True)
    if block.endswith(_RESULT) and of is not None:
        return Moment(of, begins=False)
    return Moment(compacted(field(chunk, "index")), begins=True) if block == "compaction" else None


def compacted(index: object) -> str:
    """Gives the key of a compaction by the place of its block."""
    return f"block {index}"

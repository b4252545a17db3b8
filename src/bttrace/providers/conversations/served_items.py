"""The tools that OpenAI runs by itself, in the items of a response and in the events of its stream. PURE.

Source: openai 3.52, `types/responses`. Some tools are run by whoever is to: of those, one that has its
output in the same response was run there, as one whose item says that it is `server`'s or in
a container will be.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...evidence import Moment, Served, arguments
from ...model import Json
from ...values import at, field, text

# Where an item has its arguments, and where its result.
ALONE = {
    "web_search_call": ("action", "action.sources"),
    "file_search_call": ("queries", "results"),
    "code_interpreter_call": ("code", "outputs"),
    "image_generation_call": ("revised_prompt", ""),
    "mcp_call": ("arguments", "output"),
}
# The items of these have their results in items of their own; so may those of tools that anybody may run.
_OUTPUTS = {"program": "program_output", "tool_search_call": "tool_search_output"}
_RESULTS = {"program_output": "result", "tool_search_output": "tools"}
_GIVEN = ("arguments", "action", "operation", "code", "input")
_IMAGE = ("type", "output_format", "size", "quality", "background", "result")
_DONE = frozenset({"completed", "failed"})


def is_served(item: Json, output: Iterable[Json]) -> bool:
    """Tells whether a tool that anybody may run is run by OpenAI."""
    if item.get("type") == "program" or item.get("execution") == "server":
        return True
    if at(item, "environment.type") == "container_reference":
        return True
    wanted = _output_type(item)
    return any(one.get("type") == wanted and one.get("call_id") == item.get("call_id") for one in output)


def served(output: list[Json]) -> tuple[Served, ...]:
    """Gives the tools that were run, and the results of those that an earlier response asked for."""
    found: dict[str, Served] = {}
    searches: list[str] = []
    for item in output:
        kind, identity, call = text(item.get("type")) or "", text(item.get("id")), text(item.get("call_id"))
        key = call or identity
        if kind in ALONE and identity is not None:
            found[identity] = _alone(kind, identity, item)
        elif kind.endswith(("_call", "program")) and key is not None and is_served(item, output):
            found[key] = Served(key, _name(item, kind), _given(item), is_done=False)
            searches += [key] if call is None else []
        elif kind.endswith("_output"):
            # A search by OpenAI and what it found have no id in common.
            of = call or (searches.pop(0) if searches else None)
            if of is not None:
                found[of] = _result(found.get(of) or Served(of, None), item, kind)
    return tuple(found.values())


def _output_type(item: Json) -> str:
    kind = text(item.get("type")) or ""
    return _OUTPUTS.get(kind, f"{kind}_output")


def _name(item: Json, kind: str) -> str:
    return text(item.get("name")) or kind.removesuffix("_call")


def _given(item: Json) -> object:
    given = next((item[name] for name in _GIVEN if item.get(name) is not None), None)
    return arguments(given) if "arguments" in item else given


def _alone(kind: str, identity: str, item: Json) -> Served:
    given, result = ALONE[kind]
    status, error = item.get("status"), item.get("error")
    told = text(at(error, "message")) or text(error)
    sort = text(at(error, "type"))
    failed = status == "failed" or bool(error)
    image = {name: item[name] for name in _IMAGE if item.get(name) is not None}
    return Served(
        identity,
        _name(item, kind),
        arguments(item[given]) if kind == "mcp_call" and given in item else item.get(given),
        image if kind == "image_generation_call" else at(item, result),
        f"{sort or ''}: {told}" if told else sort,
        failed=failed,
        is_done=failed or status in _DONE or (status is None and item.get("output") is not None),
    )


def _result(asked: Served, item: Json, kind: str) -> Served:
    result = item.get(_RESULTS.get(kind, "output"))
    failed = item.get("status") in ("failed", "incomplete")
    return Served(asked.id, asked.name, asked.arguments, result, failed=failed)


def moment(chunk: object) -> Moment | None:
    """Gives which tool or compaction an event begins, or has the end of."""
    subject, _, step = (text(field(chunk, "type")) or "").rpartition(".")
    if subject == "response.output_item" and step in ("added", "done"):
        kind, identity = text(at(chunk, "item.type")) or "", text(at(chunk, "item.id"))
        call = text(at(chunk, "item.call_id"))
        begins = step == "added" and not kind.endswith("_output")
        ends = step == "done" and (call is None or kind.endswith("_output"))
        return Moment(call or identity or "", begins=begins) if begins or ends else None
    if step in _DONE and subject.removeprefix("response.") in ALONE:
        return Moment(text(field(chunk, "item_id")) or "", begins=False)
    return None

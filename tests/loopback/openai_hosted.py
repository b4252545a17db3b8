"""The items of tools that OpenAI runs by itself, and the events by which a stream tells of each.

Item: one element of a response's output. Sources: openai 3.52, `types/responses`.
"""

from collections.abc import Iterator, Mapping

from tests.loopback.reply import pieces

Object = dict[str, object]
Steps = Iterator[tuple[str, Object]]

# What comes between an item's start and its end, in order; `*` stands for its text in pieces.
_STEPS: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "*code", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "*arguments", "completed"),
}
_RESULTS = ("outputs", "result", "results", "output", "action", "error")


def hosted_steps(item: Object) -> Steps:
    """The events of one item, from its start to its end."""
    kind = str(item["type"])
    at_start = {name: None if name in _RESULTS else value for name, value in item.items()}
    texts = {name[1:]: "" for name in _STEPS.get(kind, ()) if name.startswith("*")}
    begun = {**(item if kind.endswith("_output") else at_start), **texts}
    yield "output_item.added", {"item": {**begun, **({"status": "in_progress"} if "status" in item else {})}}
    for step in _STEPS.get(kind, ()):
        if step.startswith("*"):
            name = step[1:]
            for piece in pieces(str(item[name])):
                yield f"{kind}_{name}.delta", {"delta": piece}
            yield f"{kind}_{name}.done", {name: item[name]}
        elif step != "completed":
            yield f"{kind}.{step}", {}
        elif item.get("status") in ("completed", "failed"):
            yield f"{kind}.{item['status']}", {}
    yield "output_item.done", {"item": item}

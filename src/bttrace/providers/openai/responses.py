"""OpenAI Responses: made, asked for again, compacted, counted. PURE.

Source: openai 3.52, `types/responses`. A response in the background is begun by one call and
ends unseen; the call that first hears of its end carries its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...model import Endpoint, Json, Metric
from ...values import field, items, json_object, objects, text
from ..conversations.compacted_items import CompactConversation, compacted, compactions
from ..conversations.responses import ResponsesConversation
from ..conversations.served_items import moment
from .response_events import ResponseFold, is_first_text, is_first_token, piece
from .terms import COST, response_terms

_FUNCTION = ("name", "description", "parameters", "strict")

_UNFINISHED = frozenset({"queued", "in_progress"})


def with_instructions(request: Json) -> object:
    """Gives the input, with the instructions as a leading system message."""
    given = request.get("input")
    instructions = request.get("instructions")
    if not isinstance(instructions, str) or not instructions:
        return given
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else list(items(given))
    return [{"role": "system", "content": instructions}, *messages]


def chat_tools(tools: object) -> object:
    """Gives tool definitions as chat completions have them; OpenAI's own tools stay as they are."""
    converted = []
    for tool in objects(tools):
        function = {name: tool[name] for name in _FUNCTION if tool.get(name) is not None}
        plain_function = tool.get("type") == "function" and "function" not in tool
        converted.append({"type": "function", "function": function} if plain_function else tool)
    return converted


def chat_tool_choice(choice: object) -> object:
    """Gives which tools may be called as chat completions have it."""
    name = field(choice, "name")
    if field(choice, "type") == "function" and name is not None:
        return {"type": "function", "function": {"name": name}}
    return choice


def finish_reason(response: Json) -> str | None:
    """Gives why the response ended: the reason it is incomplete, else its status."""
    reason = text(json_object(response.get("incomplete_details")).get("reason"))
    status = text(response.get("status"))
    return reason or (None if status in _UNFINISHED else status)


def settled(response: Json) -> str | None:
    """Gives the id of a response in the background that has ended."""
    if response.get("background") is not True or finish_reason(response) is None:
        return None
    return text(response.get("id"))


USAGE: Mapping[Metric, tuple[str, ...]] = {
    "prompt_tokens": ("usage.input_tokens",),
    "completion_tokens": ("usage.output_tokens",),
    "tokens": ("usage.total_tokens",),
    "prompt_cached_tokens": ("usage.input_tokens_details.cached_tokens",),
    "prompt_cache_creation_tokens": ("usage.input_tokens_details.cache_write_tokens",),
    "completion_reasoning_tokens": ("usage.output_tokens_details.reasoning_tokens",),
}

RESPONSES = Endpoint(
    path="/responses",
    api="responses",
    braintrust_name="openai.responses.create",
    request_model="openai.types.responses.response_create_params.ResponseCreateParamsBase",
    response_model="openai.types.responses.Response",
    chunk_model="openai.types.responses.ResponseStreamEvent",
    input=with_instructions,
    output=("output",),
    usage={**USAGE, "estimated_cost": COST},
    terms=response_terms,
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_output_tokens",),
        "response_format": ("text.format",),
        "tool_choice": ("tool_choice",),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "max_tool_calls": ("max_tool_calls",),
        "reasoning": ("reasoning",),
        "service_tier": ("service_tier",),
        "stream": ("stream",),
    },
    details={"response_id": "id", "service_tier": "service_tier"},
    finish_reason=finish_reason,
    tools=chat_tools,
    tool_choice=chat_tool_choice,
    is_first_token=is_first_token,
    is_first_text=is_first_text,
    fold=ResponseFold,
    settles=settled,
    conversation=ResponsesConversation(),
    compactions=compactions,
    moment=moment,
    piece=piece,
)

RETRIEVED = replace(
    RESPONSES,
    method="get",
    path="/responses/{response_id}",
    api="responses.retrieve",
    braintrust_name="openai.responses.retrieve",
    request_model=None,
    input=lambda request: {"response_id": request.get("response_id")},
    parameters={},
    polls=True,
)

CANCELLED = replace(
    RETRIEVED,
    method="post",
    path="/responses/{response_id}/cancel",
    api="responses.cancel",
    braintrust_name="openai.responses.cancel",
)

COMPACTED = Endpoint(
    path="/responses/compact",
    api="responses.compact",
    braintrust_name="openai.responses.compact",
    request_model="openai.types.responses.response_compact_params.ResponseCompactParams",
    response_model="openai.types.responses.CompactedResponse",
    input=with_instructions,
    output=("output",),
    usage=USAGE,
    terms=response_terms,
    parameters={"service_tier": ("service_tier",)},
    details={"response_id": "id"},
    conversation=CompactConversation(),
    compactions=compacted,
)

# Nothing is generated here, so the count is the output, and no metric.
COUNTED = Endpoint(
    path="/responses/input_tokens",
    api="responses.input_tokens",
    braintrust_name="openai.responses.input_tokens.count",
    type="task",
    request_model="openai.types.responses.input_token_count_params.InputTokenCountParams",
    response_model="openai.types.responses.InputTokenCountResponse",
    input=with_instructions,
    output=("input_tokens",),
    tools=chat_tools,
    tool_choice=chat_tool_choice,
    parameters={
        "response_format": ("text.format",),
        "tool_choice": ("tool_choice",),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "reasoning": ("reasoning",),
    },
)

ROWS = (RESPONSES, RETRIEVED, CANCELLED, COMPACTED, COUNTED)

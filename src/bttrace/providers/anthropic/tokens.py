"""Anthropic's counting of tokens before a message is asked for. PURE.

Source: `MessageTokensCount` and `BetaMessageTokensCount` of anthropic 2.11 (`types`). Nothing
is generated and nothing is billed, so the span is a task, and the count is its output alone.
"""

from __future__ import annotations

from ...model import Endpoint, Json
from .messages import openai_tools, with_system

_COUNTED = ("input_tokens", "context_management")


def counted(response: Json) -> object:
    """Gives the count, and what it was before the context was edited, if it was."""
    return {name: response[name] for name in _COUNTED if response.get(name) is not None} or None


COUNT_TOKENS = Endpoint(
    path="/v1/messages/count_tokens",
    api="messages.count_tokens",
    braintrust_name="anthropic.messages.count_tokens",
    type="task",
    request_model="anthropic.types.beta.message_count_tokens_params.MessageCountTokensParams",
    response_model="anthropic.types.beta.BetaMessageTokensCount",
    input=with_system,
    output=counted,
    parameters={
        "response_format": ("output_config.format",),
        "tool_choice": ("tool_choice",),
        "reasoning": ("thinking",),
    },
    tools=openai_tools,
)

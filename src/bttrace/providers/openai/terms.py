"""On which terms OpenAI, and the hosts that speak as it does, bill a call. PURE.

Source: the price lists of OpenAI and of those hosts, and openai 3.52 (`types/completion_usage.py`,
`types/responses`, `types/realtime`). What is not known here has no terms: then no price is put on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model import Json
from ...terms import Terms
from ...values import at, number, objects, text

# What a provider says that a call cost: OpenRouter; Perplexity; DeepInfra; xAI.
COST = ("usage.cost", "usage.cost.total_cost", "usage.estimated_cost", "usage.cost_in_usd_ticks")

_USUAL = frozenset({"default", "auto", "standard", "on_demand"})  # the last is Groq's
_CACHED = ("usage.cached_tokens", "usage.prompt_cache_hit_tokens")  # Together and Moonshot; DeepSeek
# What of an answer costs its tokens and no more; other tools of OpenAI's are billed by the call.
_FREE = frozenset(
    {
        *("message", "reasoning", "function_call", "custom_tool_call", "compaction"),
        *("mcp_call", "mcp_list_tools", "mcp_approval_request", "computer_call"),
        *("local_shell_call", "apply_patch_call"),
    }
)
_HEARD = "usage.input_token_details"
_PARTS = {
    "input_image_tokens": f"{_HEARD}.image_tokens",
    "cache_audio_read_tokens": f"{_HEARD}.cached_tokens_details.audio_tokens",
    "cache_image_read_tokens": f"{_HEARD}.cached_tokens_details.image_tokens",
}


def chat_terms(request: Json, response: Json) -> Terms | None:
    """Gives the terms of a chat completion; none of one that could search, which is billed by the search."""
    model = text(response.get("model")) or text(request.get("model")) or ""
    if "-search-" in model or request.get("web_search_options") is not None:
        return None
    variants = _tier(request, response)
    if variants is None:
        return None
    is_told = at(response, "usage.prompt_tokens_details.cached_tokens") is not None
    elsewhere = None if is_told else next((path for path in _CACHED if at(response, path)), None)
    return Terms(variants, _counted(response, {"cache_read_tokens": elsewhere} if elsewhere else {}))


def response_terms(request: Json, response: Json) -> Terms | None:
    """Gives the terms of a response; none of one in which a tool was run that is billed by the call."""
    if any(item.get("type") not in _FREE for item in objects(response.get("output"))):
        return None
    variants = _tier(request, response)
    return None if variants is None else Terms(variants)


def realtime_terms(_request: Json, response: Json) -> Terms | None:
    """Gives the terms of a Realtime response, with the parts of the prompt that have prices of their own.

    None of one that does not tell what of these was cached.
    """
    if number(at(response, f"{_HEARD}.cached_tokens")) and not at(
        response, f"{_HEARD}.cached_tokens_details"
    ):
        return None
    return Terms(counts=_counted(response, _PARTS))


def _tier(request: Json, response: Json) -> Mapping[str, str] | None:
    """Gives the variant of prices of a service tier: the one that it was served in, if that is known."""
    asked, served = text(request.get("service_tier")), text(response.get("service_tier"))
    tier = served or asked or "default"
    if tier in _USUAL:
        return {}
    return {"service_tier": tier} if served else None


def _counted(response: Json, paths: Mapping[str, str]) -> dict[str, int]:
    return {name: int(number(at(response, path)) or 0) for name, path in paths.items()}

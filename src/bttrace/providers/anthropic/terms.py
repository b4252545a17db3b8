"""On which terms Anthropic, and the clouds that serve its models, bill a message. PURE.

Source: Anthropic's price list, and anthropic 2.11 (`types/beta/beta_usage.py` and
`beta_server_tool_use_block.py`).
What is not known here has no terms: then no price is put on it.
"""

from __future__ import annotations

from ...model import Json
from ...terms import Terms
from ...values import at, json_object, number, objects

_ANYWHERE = (None, "", "global", "not_available")  # inference kept in one region costs more
_FREE = frozenset({"web_search", "web_fetch", "tool_search_tool_regex", "tool_search_tool_bm25"})
_WRITTEN = "usage.cache_creation_input_tokens"


def message_terms(request: Json, response: Json) -> Terms | None:
    """Gives the terms of a message.

    None of one whose tier has prices by contract, that was kept in one region, or in which another
    model took part, or code was run: containers are billed by the hour. Nor of one that wrote to the
    cache without telling for how long.
    """
    usage = json_object(response.get("usage"))
    if usage.get("service_tier") not in (None, "standard") or usage.get("inference_geo") not in _ANYWHERE:
        return None
    if any(one.get("type") != "message" for one in objects(usage.get("iterations"))):
        return None
    if any(not _is_free(block) for block in objects(response.get("content"))):
        return None
    if number(at(response, _WRITTEN)) and not json_object(usage.get("cache_creation")):
        return None
    speed = usage.get("speed") or request.get("speed")
    searches = number(at(usage, "server_tool_use.web_search_requests"))
    return Terms(
        {} if speed in (None, "standard") else {"speed": str(speed)},
        {"web_searches": int(searches)} if searches else {},
    )


def _is_free(block: Json) -> bool:
    """Tells whether a block costs its tokens and no more; searches are counted apart."""
    if block.get("type") == "fallback":
        return False
    return block.get("type") != "server_tool_use" or block.get("name") in _FREE

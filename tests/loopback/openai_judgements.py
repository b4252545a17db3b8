"""Replies of OpenAI's POST /v1/moderations and /v1/decisions."""

from tests.loopback.reply import Reply, whole

_HEADERS = {"x-request-id": "req_loopback_judgements"}
_NAMES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)


def moderation(count: int = 1, *, flagged: bool = False) -> Reply:
    """The judgement of so many inputs, all alike."""
    result = {
        "flagged": flagged,
        "categories": dict.fromkeys(_NAMES, flagged),
        "category_scores": dict.fromkeys(_NAMES, 0.25),
        "category_applied_input_types": {name: ["text"] for name in _NAMES},
    }
    listing = {"id": "modr-loopback", "model": "omni-moderation-2024-09-26", "results": [result] * count}
    return whole(listing, _HEADERS)


def decision() -> Reply:
    """The answer to one question, which could be true."""
    answers = [{"type": "predicate", "name": "polite", "probability": 0.75}]
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 11,
    }
    return whole({"model": "gpt-6-luna", "answers": answers, "usage": usage}, _HEADERS)

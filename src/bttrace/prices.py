"""What calls cost, computed from their tokens with the price table of the package `genai-prices`.

It comes with the extra `bttrace[prices]`; without it nothing is computed, and nothing is said. The
table is part of the package (0.2.3, `data.py`): nothing is fetched, unless the application itself has
its `UpdatePrices` at work, whose newer table is then used here too. It is imported on the writer thread
when there is a first call to price, because it takes 0.1 s and 5 MB, and 0.4 s and 70 MB where Python
keeps no bytecode.

A cost is exact or it is not there: it is the public list price at the time of the call (on Azure and
Vertex that of global deployments, on Bedrock that of us-east-1). What the provider says itself is left
alone. No price is put on a call of which the table does not price all that was used, nor on one with a
use that it prices and that was not counted; and none on a stream that was left before it had said what
it used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from .guard import guarded
from .installed import version
from .model import Facts, Metric
from .terms import Terms
from .values import text

_OLDEST = (0, 1, 13)  # the first with the prices of service tiers, and the last for Python 3.10

# Our providers -> those of the table. Not among them: what runs at home, and those who always say the cost.
_PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "meta": "meta",
    "mistral": "mistral",
    "openai": "openai",
    "together": "together",
    "vertex": "google",
    "xai": "x-ai",
}
# The model that the address names has a price, and may be a region's; answers name it otherwise.
_BY_ADDRESS = ("bedrock", "vertex")
_OPEN = "gpt-oss"  # OpenAI sells none of these: at an unknown address, they run on somebody's own machine

# Counts, in the table's words -> where a model's price has what one costs.
_PRICES = {
    "input_tokens": "input_mtok",
    "output_tokens": "output_mtok",
    "cache_read_tokens": "cache_read_mtok",
    "cache_write_tokens": "cache_write_mtok",
    "cache_write_1h_tokens": "cache_write_1h_mtok",
    "input_audio_tokens": "input_audio_mtok",
    "output_audio_tokens": "output_audio_mtok",
    "cache_audio_read_tokens": "cache_audio_read_mtok",
    "input_image_tokens": "input_image_mtok",
    "output_image_tokens": "output_image_mtok",
    "cache_image_read_tokens": "cache_image_read_mtok",
    "web_searches": "web_searches_kcount",
    "storage_searches": "storage_searches_kcount",
}
_OPTIONAL = ("web_searches", "storage_searches")  # what has no terms if it was done and not counted


class Prices:
    """Puts prices on calls. For one thread: the writer's."""

    def __init__(self) -> None:
        self._is_looked_for = False
        self._calculated: Callable[..., Any] | None = None
        self.cost = guarded(self._cost)

    def _cost(self, facts: Facts, metrics: Mapping[Metric, float]) -> float | None:
        """Gives what a call cost in USD; `None` if that cannot be told."""
        provider, model = _PROVIDERS.get(facts.provider), _model(facts)
        if provider is None or model is None or not _is_whole(facts):
            return None
        terms = facts.endpoint.terms(facts.request, facts.response)
        counts = None if terms is None else _counts(facts, metrics, terms)
        if terms is None or counts is None:
            return None
        return self._priced(provider, model, counts, terms.variants, facts.started)

    def _priced(
        self, provider: str, model: str, counts: Mapping[str, int], variants: Mapping[str, str], at: float
    ) -> float | None:
        calculated = self._table()
        if calculated is None:
            return None
        try:
            from genai_prices import Usage

            price = calculated(
                Usage(**counts),
                model,
                provider_id=provider,
                genai_request_timestamp=datetime.fromtimestamp(at, timezone.utc),
                price_context=dict(variants),
            )
        except (LookupError, ValueError):  # a model that it does not know; counts that contradict each other
            return None
        covered = _covers(vars(price.model_price), counts) and _has(price, variants)
        return float(price.total_price) if covered else None

    def _table(self) -> Callable[..., Any] | None:
        if not self._is_looked_for:
            self._is_looked_for = True
            if _release(version("genai-prices")) >= _OLDEST:
                from genai_prices import calc_price

                self._calculated = calc_price
        return self._calculated


def _release(told: str) -> tuple[int, ...]:
    return tuple(int(part) for part in told.split(".") if part.isdigit())


def _model(facts: Facts) -> str | None:
    asked, answered = text(facts.request.get("model")), text(facts.response.get("model"))
    model = asked if facts.provider in _BY_ADDRESS else answered or asked
    return None if model is None or (facts.provider == "openai" and model.startswith(_OPEN)) else model


def _is_whole(facts: Facts) -> bool:
    """Tells whether the counts are the last: they come with, or after, the reason of the end."""
    return facts.stream_end in (None, "exhausted") or facts.endpoint.finish_reason(facts.response) is not None


def _counts(facts: Facts, metrics: Mapping[Metric, float], terms: Terms) -> dict[str, int] | None:
    """Gives what was used, also what was not; `None` if it is not told in full, or in contradictions."""
    count = {name: int(value) for name, value in metrics.items()}
    prompt, completion = count.get("prompt_tokens"), count.get("completion_tokens")
    if completion is None and "completion_tokens" not in facts.endpoint.usage:
        completion = 0
    if prompt is None or completion is None:
        return None
    reasoning = count.get("completion_reasoning_tokens", 0)
    beyond = count.get("tokens", prompt + completion) - prompt - completion
    if beyond not in (0, reasoning) or reasoning > completion + beyond:
        return None  # some host counts what it does not tell; xAI counts reasoning beside the completion
    long = count.get("prompt_cache_creation_1h_tokens", 0)
    parts = long + count.get("prompt_cache_creation_5m_tokens", 0)
    found = {
        **dict.fromkeys(_OPTIONAL, 0),
        "input_tokens": prompt,
        "output_tokens": completion + beyond,
        "cache_read_tokens": count.get("prompt_cached_tokens", 0),
        "cache_write_tokens": count.get("prompt_cache_creation_tokens", parts),
        "cache_write_1h_tokens": long,
        "input_audio_tokens": count.get("prompt_audio_tokens", 0),
        "output_audio_tokens": count.get("completion_audio_tokens", 0),
        "output_image_tokens": count.get("completion_image_tokens", 0),
        **terms.counts,
    }
    if not (found["cache_read_tokens"] and found["input_audio_tokens"]):
        found.setdefault("cache_audio_read_tokens", 0)  # else nobody knows what of the sound was cached
    return found


def _covers(prices: Mapping[str, object], counts: Mapping[str, int]) -> bool:
    """Tells whether all that was used has a price, and what has a price is counted."""
    priced = {name for name, price in prices.items() if price is not None}
    used = {_PRICES[name] for name, count in counts.items() if count}
    return bool(priced) and used <= priced <= {_PRICES[name] for name in counts}


def _has(price: Any, variants: Mapping[str, str]) -> bool:
    """Tells whether the model has such variants; without, the table takes the standard prices."""
    if not variants:
        return True
    own = any(model is price.model for model in price.provider.models)
    return own and any(variant.when == variants for variant in price.model.price_variants or ())

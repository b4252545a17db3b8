"""The terms on which a call is billed, as its request and its response tell them. PURE.

Words are those of the package `genai-prices` 0.2: a *variant* is a set of prices that a model has
beside its standard ones, such as those of a service tier; *counts* are of what has a price of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from .classes import dataclass

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bill depends on beside the tokens that are metrics.

    `variants` tell which of a model's prices apply; `counts` what is billed apart, or is a part of
    tokens that are metrics and has a price of its own.
    """

    variants: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def tokens_alone(_request: Json, _response: Json) -> Terms:
    """Gives the terms of what is billed by its tokens and nothing else."""
    return Terms()

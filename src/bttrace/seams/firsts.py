"""When the first token and the first text came.

Owns the looking for both, by an endpoint's own rules, in chunks that are shown in order.
"""

from __future__ import annotations

from typing import Protocol

from ..model import Endpoint


class Hearer(Protocol):
    """What remembers the two readings; both are `None` until then."""

    first_token: int | None
    first_text: int | None


def heard(hearer: Hearer, endpoint: Endpoint, chunk: object, at: int) -> bool:
    """Notes the first token and the first text; tells if no further chunk need be shown."""
    if hearer.first_token is None:
        if not endpoint.is_first_token(chunk):
            return False
        hearer.first_token = at
    if endpoint.is_first_text is None:
        return True
    if not endpoint.is_first_text(chunk):
        return False
    hearer.first_text = at
    return True

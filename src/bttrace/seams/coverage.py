"""What of an SDK's seam could not be patched.

Owns what each place of the seam lets us see, and so what is not covered without it. Knows
no version: a place is there, or it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_SEEN = {
    "request": "calls",
    "_build_request": "retries and what failed calls asked",
    "_process_response": "answers",
    "__stream__": "streams",
    "__decode__": "JSON lines",
    "close": "closed streams",
    "iter_bytes": "raw bodies",
    "iter_text": "raw bodies",
    "iter_lines": "raw bodies",
}


class Coverage:
    """What is patched of one SDK, as far as it must be told apart.

    `missing` names what was not there to patch, as `package.module.Class.method`; `known` says
    that something was; `unwatched` are the clients whose streams nobody can see being read.
    """

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.known = False
        self.unwatched: tuple[type, ...] = ()

    def lacks(self, module: str, owner: str, name: str) -> None:
        """Notes a place that was not there to patch."""
        self.missing.append(f"{module}.{owner}.{name}")
        if name == "__stream__":
            clients = sys.modules.get(f"{module.rpartition('.')[0]}._base_client")
            client = getattr(clients, "SyncAPIClient" if owner == "Stream" else "AsyncAPIClient", None)
            self.unwatched += (client,) if isinstance(client, type) else ()


def not_covered(missing: Sequence[str]) -> str:
    """Gives in words what cannot be seen without these places, each thing once."""
    seen: dict[str, None] = {}
    for place in missing:
        _, owner, name = place.rsplit(".", 2)
        seen[("async " if owner.startswith("Async") else "") + _SEEN.get(name, name)] = None
    return ", ".join(seen)

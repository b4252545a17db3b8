"""Which endpoint a request means.

Owns the look-up by method and path. A path is what the SDK asks for, before a client for
Azure or Bedrock rewrites it; it is a whole address where the provider's answer named one
(anthropic 2.11, `resources/messages/batches.py`, `results`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..model import Endpoint

_NOTHING: Mapping[str, str] = {}


class Routes:
    """The endpoints of one provider, by what their requests look like."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._exact: dict[tuple[str, str], Endpoint] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Endpoint]] = []
        for endpoint in endpoints:
            if "{" in endpoint.path:
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path))
                self._patterns.append((endpoint.method, pattern, endpoint))
            else:
                self._exact[endpoint.method, endpoint.path] = endpoint

    def endpoint(self, method: str, url: str) -> tuple[Endpoint, Mapping[str, str]] | None:
        """Gives a request's endpoint, and what its placeholders stand for; `None` for no model call."""
        endpoint = self._exact.get((method, url))  # as nearly all are
        if endpoint is not None:
            return endpoint, _NOTHING
        method = method.lower()
        path = url.partition("?")[0]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        endpoint = self._exact.get((method, path))
        if endpoint is not None:
            return endpoint, _NOTHING
        for of, pattern, endpoint in self._patterns:
            if of == method and (found := pattern.fullmatch(path)):
                return endpoint, found.groupdict()
        return None

"""What a program sees of its calls, bare and traced, and that it is the same.

It owns the comparison. It must not know what a call is made of, nor what a span says.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.apis import Api, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply

Seen = Callable[[Api, ProviderServer], list[object]]
"""Makes calls, and gives what it saw of them."""


def told(response: Any) -> list[object]:
    """Gives what an HTTP response tells of itself."""
    return [
        type(response),
        response.status_code,
        sorted(name for name, _ in response.headers.items()),
        response.headers["content-type"],
        response.is_closed,
        response.is_stream_consumed,
        response.http_version,
        response.request.method,
        response.request.content,
    ]


def seen_alike(
    seen: Seen, api: Api, provider: ProviderServer, spans: int, reply: Reply | None = None
) -> list[dict[str, Any]]:
    """Runs a reader bare and traced, of a stream if nothing else is said; gives the spans of the second."""
    whole = api.streamed()
    # In one piece, so that what a reader of a closed stream still finds does not hang on how fast the rest came.
    provider.route(api.path, reply or replace(whole, events=(b"".join(whole.events),)))
    bare = seen(api, provider)
    asked = [request.body for request in provider.requests]
    provider.requests.clear()
    with traced() as (captured, _):
        hooked = seen(api, provider)
        rows = captured.rows
    assert len(hooked) == len(bare)
    for saw, expected in zip(hooked, bare, strict=True):
        assert saw == expected
    assert [request.body for request in provider.requests] == asked
    assert len(rows) == spans
    return rows

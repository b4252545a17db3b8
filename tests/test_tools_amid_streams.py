"""A tool that runs before the stream that asked for it has been read to its end is still that one's."""

from typing import Any

import pytest

from bttrace.testing import capture
from tests.apis import MESSAGES, RESPONSES, Api
from tests.loopback.provider import ProviderServer
from tests.outlines import named, outline
from tests.test_connection_turns import observed

CALL = ("call_1", "weather", '{"city": "Oslo"}')
OFFERED: list[tuple[Api, dict[str, Any]]] = [
    (MESSAGES, {"name": "weather", "input_schema": {"type": "object"}}),
    (RESPONSES, {"type": "function", "name": "weather", "parameters": {"type": "object"}}),
]
ENDS = ("content_block_stop", "response.output_item.done")


@pytest.mark.parametrize("more", [0, 300])
@pytest.mark.parametrize(("api", "tool"), OFFERED, ids=["messages", "responses"])
def test_each(api: Api, tool: dict[str, Any], more: int, provider: ProviderServer) -> None:
    """Whether it ended before anybody looked at it, and whether some of it was handed on by then or not."""
    words = [f"{number} " for number in range(more)]
    provider.route(api.path, api.streamed(words, tool_calls=[CALL]))
    with capture() as captured, api.client(provider) as client:
        ended = 0
        for event in api.resource(client).create(**api.given, tools=[tool], stream=True):
            ended += event.type in ENDS
            if event.type in ENDS and ended == (2 if more else 1):
                observed("weather", {"city": "Oslo"}, lambda: "4")
    rows = captured.rows
    assert [line.strip() for line in outline(rows)][-2:] == ["act (iteration 1)", "tool.call (weather)"]
    [row] = named(rows, "tool.call (weather)")
    assert row["metadata"] == {
        "tool_name": "weather",
        "tool_call_id": "call_1",
        "timing": "observed",
        "status": "success",
    }

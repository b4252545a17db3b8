"""Real answers in which providers ran tools by themselves, or made the context smaller: one span for each.

What an answer holds of them is told here from the recording's bytes, by types that are written down a second time.
"""

import json

import anthropic
import openai
import pytest

from bttrace.testing import capture
from tests.recordings import TRAFFIC, Json, events, recorded_server
from tests.test_recorded_traffic import sent

FILES = sorted(TRAFFIC.glob("exchanges/*.json"))
pytestmark = pytest.mark.skipif(not FILES, reason=f"no recorded traffic in {TRAFFIC}")

USES = frozenset(
    {
        *("server_tool_use", "mcp_tool_use", "web_search_call", "file_search_call", "code_interpreter_call"),
        *("mcp_call", "image_generation_call"),
    }
)


def told(exchange: Json) -> list[Json]:
    """Gives the blocks or items of a recorded answer."""
    body = exchange["response"]["body"]
    if not exchange["stream"]:
        answer = json.loads(body) if isinstance(body, str) else body
        return [*(answer.get("content") or answer.get("output") or ())]
    if exchange["api"] == "messages":
        return [one["content_block"] for one in events(body) if one["type"] == "content_block_start"]
    return [one["item"] for one in events(body) if one["type"] == "response.output_item.done"]


def is_use(one: Json) -> bool:
    return one["type"] in USES or (one["type"] == "tool_search_call" and one["execution"] == "server")


# The SDKs' own, of models that are old by now.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_recorded_answers() -> None:
    seen: set[str] = set()
    with (
        recorded_server() as url,
        anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as ant,
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as oai,
    ):
        for file in FILES:
            exchange = json.loads(file.read_bytes())
            if exchange["api"] not in ("messages", "responses") or exchange["response"]["status"] != 200:
                continue
            with capture() as captured:
                sent(exchange, oai, ant)
                rows = captured.rows
            spans = {row["span_id"]: row for row in rows}
            tools = [row for row in rows if row["metadata"].get("server_side")]
            made = told(exchange)
            uses = [one for one in made if is_use(one)]
            assert [row["metadata"]["tool_call_id"] for row in tools] == [one["id"] for one in uses], file
            smaller = [row for row in rows if row["span_attributes"]["name"] == "compaction"]
            assert len(smaller) == sum(one["type"] == "compaction" for one in made), file
            seen.update(one["type"] for one in made)
            for row in (*tools, *smaller):
                generation = spans[row["span_parents"][0]]
                assert generation["span_attributes"]["type"] == "llm"
                assert generation["metrics"]["start"] <= row["metrics"]["start"]
                assert row["metrics"]["start"] <= row["metrics"]["end"] <= generation["metrics"]["end"]
                assert "tokens" not in row["metrics"]
    assert seen >= {*USES, "tool_search_call", "compaction"} - {"image_generation_call"}

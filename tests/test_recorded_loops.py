"""Real agents' loops that public projects recorded, replayed: the trees that follow from what ties their exchanges.

`edges` of a recording say which request brings the results that which answer asked for. From them
alone the tree is told here: exchanges that edges join are one turn, and an iteration is one
more than that of the exchange before. Some edges only say that a conversation goes on: the
model had answered in words, and the user asks something new. That opens a new turn.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import capture
from tests.recordings import TRAFFIC, Json, recorded_server
from tests.test_recorded_traffic import sent

FILES = sorted(TRAFFIC.glob("loops/*.json"))
pytestmark = pytest.mark.skipif(not FILES, reason=f"no recorded traffic in {TRAFFIC}")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with recorded_server() as url:
        yield url


class Expected:
    """The tree of a recording, as its edges tell it."""

    def __init__(self, recording: Json) -> None:
        exchanges = recording["exchanges"]
        bodies = [exchange["request"]["body"] for exchange in exchanges]
        edges = [edge for edge in recording["edges"] if edge["ids"] and not asks_anew(bodies[edge["child"]])]
        self.turns = list(range(len(exchanges)))
        self.iterations = [1] * len(exchanges)
        for edge in edges:
            joined, other = self.turns[edge["parent"]], self.turns[edge["child"]]
            self.turns = [joined if turn == other else turn for turn in self.turns]
            after = self.iterations[edge["parent"]] + 1
            self.iterations[edge["child"]] = max(self.iterations[edge["child"]], after)
        self.brought: dict[int, set[str]] = {}
        for edge in edges:
            self.brought.setdefault(edge["child"], set()).update(edge["ids"])
        joins = {index for edge in edges for index in (edge["parent"], edge["child"])}
        self.bare = {
            index
            for index, body in enumerate(bodies)
            if index not in joins and not (body.get("tools") or body.get("functions"))
        }


def asks_anew(body: Json) -> bool:
    """Tells whether the last that the model said in a history were words, and the user went on."""
    history = body.get("messages") or body.get("input")
    said = ""
    for item in history if isinstance(history, list) else []:
        if item.get("type") in ("function_call", "custom_tool_call", "reasoning"):
            said = "call"
        elif item.get("role") == "assistant":
            said = "call" if "tool_use" in json.dumps(item) or item.get("tool_calls") else "words"
        elif item.get("role") == "user" and said == "words":
            said = "question"
    return said == "question"


@pytest.mark.parametrize("file", FILES or [Path("none")], ids=lambda file: file.stem[:60])
def test_a_recorded_loop_is_the_tree_that_its_edges_say(server: str, file: Path) -> None:
    recording = json.loads(file.read_bytes())
    rows = replayed(server, recording["exchanges"])
    expected = Expected(recording)
    spans = {row["span_id"]: row for row in rows}
    generations = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    generations.sort(key=lambda row: row["metrics"]["start"])
    assert len(generations) == len(recording["exchanges"])
    turns: dict[int, str] = {}
    for index, row in enumerate(generations):
        if index in expected.bare:
            assert "span_parents" not in row
            continue
        [above] = row["span_parents"]
        reason = spans[above]
        assert reason["span_attributes"]["name"] == f"reason (iteration {expected.iterations[index]})"
        [above] = reason["span_parents"]
        assert spans[above]["span_attributes"]["name"] == "agent turn"
        assert turns.setdefault(expected.turns[index], above) == above
    assert len(set(turns.values())) == len(turns)
    for row in rows:
        assert row["metrics"]["start"] <= row["metrics"]["end"]
    assert inferred(rows) == brought(expected, turns)


def replayed(server: str, exchanges: list[Json]) -> list[Json]:
    options: Any = {"api_key": "k", "max_retries": 0, "timeout": 20}
    oai = openai.OpenAI(base_url=server + "/v1", **options)
    ant = anthropic.Anthropic(base_url=server, **options)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), oai, ant:
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, of models that are old by now
        patch.setenv("BTTRACE_STRICT", "1")
        with capture() as captured:
            for exchange in exchanges:
                sent(exchange, oai, ant)
        return captured.rows  # with what was open then given up


def inferred(rows: list[Json]) -> set[tuple[str, int, str]]:
    """Gives every tool span that is the application's: its turn, its iteration and its call's id."""
    spans = {row["span_id"]: row for row in rows}
    found = set()
    for row in rows:
        if row["span_attributes"]["type"] == "tool" and "server_side" not in row["metadata"]:
            act = spans[row["span_parents"][0]]
            number = int(act["span_attributes"]["name"].removeprefix("act (iteration ").removesuffix(")"))
            found.add((act["span_parents"][0], number, row["metadata"]["tool_call_id"]))
    return found


def brought(expected: Expected, turns: dict[int, str]) -> set[tuple[str, int, str]]:
    """Gives every result that a request brings: its turn, the iteration that asked for it and its id."""
    return {
        (turns[expected.turns[child]], expected.iterations[child] - 1, identity)
        for child, ids in expected.brought.items()
        for identity in ids
    }

"""The trees of calls that name their trace, its spans and their parent, beside what is around them anyway."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import bttrace
from bttrace.surroundings.correlated import Correlated
from bttrace.surroundings.correlation import Correlation, Remote
from bttrace.testing import capture
from tests import flows
from tests.apis import BEGUN, CHAT, MESSAGES, traced
from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, chat
from tests.loops import Talk, api, model
from tests.nested import named, nested

GENERATION = f"llm.generation ({CHAT.model})"
TOOLS: Any = [{"type": "function", "function": {"name": "search"}}]
CALLS = [("c1", "search", '{"query": "Paris"}')]

Row = dict[str, Any]


def keys(**trace: Any) -> dict[str, Any]:
    """The arguments of a call that says this of its trace."""
    return {"extra_body": {"trace": trace}}


def ask(client: Any, **trace: Any) -> None:
    client.chat.completions.create(**CHAT.given, **keys(**trace))


def roots(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row.get("span_parents")]


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(model(rounds=1))
        yield server


def test_calls_of_one_id_are_one_trace_and_others_are_others(provider: ProviderServer) -> None:
    with traced() as (captured, clock), CHAT.client(provider) as client, MESSAGES.client(provider) as other:
        ask(client, trace_id="a b", trace_name="Pipeline")
        clock.advance(2)
        thread = threading.Thread(target=ask, args=(client,), kwargs={"trace_id": "a b"})
        thread.start()
        thread.join()
        ask(client, trace_id="c")
        clock.advance(3)
        other.messages.create(**MESSAGES.given, **keys(trace_id="a b", trace_name="Another name"))

        async def main() -> None:
            async with CHAT.aclient(provider) as aclient:
                await aclient.chat.completions.create(**CHAT.given, **keys(trace_id="a b"))

        asyncio.run(main())
        ask(client)
        rows = captured.rows
    claude = f"llm.generation ({MESSAGES.model})"
    assert nested(rows) == [
        ["Pipeline", GENERATION, GENERATION, claude, GENERATION],
        ["trace c", GENERATION],
        GENERATION,
    ]
    first, second, third = roots(rows)
    assert (first["metrics"], second["metrics"]) == (
        {"start": BEGUN, "end": BEGUN + 5},
        {"start": BEGUN + 2, "end": BEGUN + 2},
    )
    assert first["metadata"] == {"trace_id": "a b", "trace_name": "Pipeline"}
    assert first["context"]["span_origin"]["instrumentation"]["name"] == "bttrace.turns"
    assert len({row["root_span_id"] for row in (first, second, third)}) == 3


@pytest.mark.parametrize("trace_id", [uuid.UUID(int=5).hex, str(uuid.UUID(int=6)), "wf_1", "\u00e9" * 9, 7])
def test_ids_are_the_same_in_every_session(trace_id: Any, provider: ProviderServer) -> None:
    found = []
    for _ in range(2):
        with capture() as captured, CHAT.client(provider) as client:
            ask(client, trace_id=trace_id, span_name="Step")
            found.append(captured.rows)
    (root, step, one), (_, _, other) = found
    assert [{"id", "span_id", "root_span_id"} <= row.keys() for row in found[0]] == [True] * 3
    assert [(row["id"], row["span_id"]) for row in found[0][:2]] == [
        (row["id"], row["span_id"]) for row in found[1][:2]
    ]
    assert one["id"] != other["id"]
    assert one["root_span_id"] == other["root_span_id"] == root["root_span_id"]
    known = len(str(trace_id)) in (32, 36)
    assert (root["root_span_id"] == trace_id) == known
    assert known or len(root["root_span_id"]) == 32
    assert str(uuid.UUID(root["id"])) == root["id"]
    assert len({root["id"], step["id"], root["span_id"], step["span_id"]}) == 4


def test_spans_of_a_name_are_one_within_their_trace(provider: ProviderServer) -> None:
    with traced() as (captured, clock), CHAT.client(provider) as client:
        for trace, name in (("a", "One"), ("a", "Two"), ("b", "One"), ("a", "One"), ("a", None)):
            ask(client, trace_id=trace, span_name=name, generation_name=f"of {name}")
            clock.advance(1)
        rows = captured.rows
    assert nested(rows) == [
        ["trace a", ["One", "of One", "of One"], ["Two", "of Two"], "of None"],
        ["trace b", ["One", "of One"]],
    ]
    times = {
        (row["span_attributes"]["name"], row["metrics"]["start"] - BEGUN, row["metrics"]["end"] - BEGUN)
        for row in rows
        if row["span_attributes"]["type"] == "task"
    }
    assert times == {("trace a", 0, 4), ("One", 0, 3), ("Two", 1, 1), ("trace b", 2, 2), ("One", 2, 2)}


def test_what_ends_first_may_have_begun_last(provider: ProviderServer) -> None:
    provider.reply(chat())
    with traced() as (captured, clock), CHAT.client(provider) as client:
        stream = client.chat.completions.create(
            **CHAT.given, stream=True, **keys(trace_id="a", span_name="S")
        )
        clock.advance(1)
        ask(client, trace_id="a", span_name="S")
        assert captured.rows
        clock.advance(1)
        list(stream)
        rows = captured.rows
    assert [row["metrics"] for row in rows[:2]] == [{"start": BEGUN, "end": BEGUN + 2}] * 2
    assert len(rows) == 4


def looped(
    client: Any, way: Any, first: dict[str, Any], then: dict[str, Any] | None = None, prompt: str = "q"
) -> None:
    """Has a tool asked for and brings its result, each with more arguments."""
    talk = Talk(way)
    talk.say(prompt)
    create = api(way).resource(client).create
    talk.bring(talk.take(create(**talk.request(), **first).to_dict()))
    create(**talk.request(), **(first if then is None else then))


def looping(*within: str, span: str | None = None, generation: str = GENERATION) -> list[Any]:
    """The tree of such a loop."""
    one: Any = [span, generation] if span else generation
    tools = ["act (iteration 1)", "tool.call (weather)", "tool.call (clock)"]
    tree: list[Any] = ["agent turn", ["reason (iteration 1)", one], tools, ["reason (iteration 2)", one]]
    for name in reversed(within):
        tree = [name, tree]
    return tree


@pytest.mark.parametrize("way", ["chat", "messages", "items"])
def test_a_turn_stands_in_its_trace(way: Any, provider: ProviderServer) -> None:
    with traced() as (captured, clock), api(way).client(provider) as client:
        looped(client, way, keys(trace_id="a", trace_name="Pipeline", span_name="Step"), prompt="one")
        clock.advance(1)
        looped(client, way, keys(trace_id="a", trace_name="Pipeline"), prompt="two")
        rows = captured.rows
    generation = f"llm.generation ({api(way).model})"
    step, turn = looping("Step", generation=generation), looping(generation=generation)
    assert nested(rows) == [["Pipeline", step, turn]]
    assert named(rows, "Pipeline")["metrics"] == {"start": BEGUN, "end": BEGUN + 1}


def test_what_the_transcript_says_counts_more_than_the_trace_that_a_request_names(
    provider: ProviderServer,
) -> None:
    with traced() as (captured, _), CHAT.client(provider) as client:
        looped(client, "chat", keys(trace_id="a"), keys(trace_id="b", span_name="Step"))
        looped(client, "chat", keys(trace_id="a", span_name="Step"), {}, prompt="r")
        rows = captured.rows
    first, second = looping(), looping("Step")
    first[-1] = ["reason (iteration 2)", ["Step", GENERATION]]
    assert nested(rows) == [["trace a", first, second]]
    named_b = [row for row in rows if row["metadata"].get("trace_id") == "b"]
    assert [row["span_attributes"]["type"] for row in named_b] == ["llm"]


def test_a_turn_without_an_id_has_the_name_itself(provider: ProviderServer) -> None:
    with traced() as (captured, _), CHAT.client(provider) as client:
        looped(client, "chat", keys(trace_name="Ask", span_name="Step", generation_name="Say"))
        rows = captured.rows
    tree = looping(span="Step", generation="Say")
    assert nested(rows) == [["Ask", *tree[1:]]]


def test_a_call_without_an_id_has_its_own_spans(provider: ProviderServer) -> None:
    provider.reply(chat())
    with traced() as (captured, _), CHAT.client(provider) as client:
        for _ in range(2):
            ask(client, trace_name="Ask", span_name="Step", generation_name="Say")
        ask(client, span_name="Step")
        ask(client, trace_name="Ask")
        rows = captured.rows
    whole = ["Ask", ["Step", "Say"]]
    assert nested(rows) == [whole, whole, ["Step", GENERATION], ["Ask", GENERATION]]
    assert all(
        row["metrics"] == {"start": BEGUN, "end": BEGUN}
        for row in rows
        if row["metrics"].keys() == {"start", "end"}
    )
    assert len({row["root_span_id"] for row in rows}) == 4
    assert not any("_is_merge" in row for row in rows)


PARENT = "0123456789abcdef"


@pytest.mark.parametrize(
    ("trace", "root"),
    [
        ({"trace_id": "f" * 32}, "f" * 32),
        ({"trace_id": "f" * 32, "span_name": "Step", "trace_name": "Theirs"}, "f" * 32),
        ({}, PARENT),
        ({"span_name": "Step"}, PARENT),
    ],
)
def test_a_span_of_another_tracer_is_the_parent(
    trace: dict[str, Any], root: str, provider: ProviderServer
) -> None:
    with traced() as (captured, _), CHAT.client(provider) as client:
        for _ in range(2):
            ask(client, **trace, parent_span_id=PARENT)
        looped(client, "chat", keys(**trace, parent_span_id=PARENT))
        rows = captured.rows
    assert {row["root_span_id"] for row in rows} == {root}
    assert roots(rows) == []
    top = [row for row in rows if row["span_parents"] == [PARENT]]
    names = sorted(row["span_attributes"]["name"] for row in top)
    turn = trace.get("trace_name", "agent turn")
    assert names == (["Step"] if "span_name" in trace else [turn, GENERATION, GENERATION])
    assert named(rows, turn)["span_attributes"]["type"] == "task"


# Beside what is around.

LINKED = Correlated(Correlation(parent=Remote("e" * 32, PARENT)))


@pytest.mark.parametrize(
    ("trace", "root", "parent"),
    [
        ({}, "e" * 32, PARENT),
        ({"trace_id": "e" * 32}, "e" * 32, PARENT),
        ({"trace_id": "f" * 32}, "f" * 32, "trace"),
        ({"parent_span_id": "9" * 16}, "e" * 32, "9" * 16),
        ({"trace_id": "f" * 32, "parent_span_id": "9" * 16}, "f" * 32, "9" * 16),
    ],
)
def test_a_parent_from_another_process_counts_where_the_request_names_no_other_trace(
    trace: dict[str, Any], root: str, parent: str, provider: ProviderServer
) -> None:
    with traced() as (captured, _), CHAT.client(provider) as client, LINKED:
        ask(client, **trace)
        rows = captured.rows
    if parent == "trace":
        [made] = roots(rows)
        parent = made["span_id"]
    assert (rows[-1]["root_span_id"], rows[-1]["span_parents"]) == (root, [parent])
    link = None if root == "e" * 32 else {"root_span_id": "e" * 32, "span_id": PARENT}
    assert rows[-1]["metadata"].get("made_in") == link


def test_a_call_in_a_workflow_is_in_the_trace_that_it_names(provider: ProviderServer) -> None:
    """So that one id is one trace, whatever each of its calls was made in."""

    class Client:
        """Names a trace in every call of the functions that are watched."""

        def __init__(self, client: Any, **trace: Any) -> None:
            self._client, self._trace = client, trace

        @property
        def chat(self) -> Any:
            return self

        @property
        def completions(self) -> Any:
            return self

        def create(self, **given: Any) -> Any:
            return self._client.chat.completions.create(**given, **keys(**self._trace))

    with capture(workflows="tests.flows:bare") as captured, CHAT.client(provider) as client:
        flows.bare(Client(client, trace_id="a"), "q")
        ask(client, trace_id="a")
        flows.bare(Client(client, span_name="Step"), "q")
        flows.bare(Client(client, trace_name="Not the root's"), "q")
        rows = captured.rows
    assert nested(rows) == [
        "workflow:bare",
        ["trace a", GENERATION, GENERATION],
        ["workflow:bare", ["Step", GENERATION]],
        ["workflow:bare", GENERATION],
    ]
    workflow = roots(rows)[0]
    assert workflow["metadata"]["usage"]["tokens"] > 0  # made in it, wherever it is shown
    made_in = [row["metadata"].get("made_in") for row in rows if row["span_attributes"]["type"] == "llm"]
    assert made_in == [{name: workflow[name] for name in ("root_span_id", "span_id")}, None, None, None]
    assert rows[-1]["metadata"]["trace_name"] == "Not the root's"


def search(query: str, client: Any = None) -> str:
    """A tool that asks a model itself, naming the same trace, another, and none."""
    for trace in ({"trace_id": "a"}, {"trace_id": "a", "span_name": "Step"}, {"trace_id": "b"}, {}):
        ask(BOX[0], **trace, generation_name=f"{query} {trace.get('trace_id')}")
    return query


BOX: list[Any] = []


def test_a_tool_of_a_turn_in_the_trace_keeps_its_calls(provider: ProviderServer) -> None:
    def said(request: Request) -> Reply:
        asks = "tools" in request.json and len(request.json["messages"]) == 1
        return chat(tool_calls=CALLS) if asks else chat("done")

    provider.route(CHAT.path, said)
    with capture(tools="tests.test_named_traces:search") as captured, CHAT.client(provider) as client:
        BOX[:] = [client]
        messages: list[Any] = [{"role": "user", "content": "q"}]
        answer = client.chat.completions.create(
            model="m", messages=messages, tools=TOOLS, **keys(trace_id="a")
        )
        messages += [answer.choices[0].message]
        messages += [{"role": "tool", "tool_call_id": "c1", "content": search("Paris")}]
        client.chat.completions.create(model="m", messages=messages, tools=TOOLS, **keys(trace_id="a"))
        rows = captured.rows
    task = ["task:search", "Paris a", ["Step", "Paris a"], "Paris None"]
    turn = [
        "agent turn",
        ["reason (iteration 1)", GENERATION],
        ["act (iteration 1)", ["tool.call (search)", task]],
        ["reason (iteration 2)", GENERATION],
    ]
    assert nested(rows) == [["trace a", turn], ["trace b", "Paris b"]]


def test_a_trace_whose_turn_was_given_up_ends(provider: ProviderServer) -> None:
    provider.route(CHAT.path, chat(tool_calls=CALLS))
    with traced() as (captured, clock), CHAT.client(provider) as client:
        client.chat.completions.create(**CHAT.given, tools=TOOLS, **keys(trace_id="a"))
        assert "end" not in named(captured.rows, "trace a")["metrics"]
        clock.advance(1)
        bttrace.disable()
        rows: Any = captured._sink.rows()
    assert all("end" in row["metrics"] for row in rows)
    assert named(rows, "agent turn")["metadata"]["turn_status"] == "abandoned"

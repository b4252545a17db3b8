"""Bad input gives a tree that says only what is known: no exception, no loss, and no guess presented as fact."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bttrace.evidence import Conversation
from bttrace.testing import CountedIds
from bttrace.turns import Origin, Outcome, Run, Turns
from tests.turns.conversations import READERS, WAYS, Called, Json, Returned, Way, Wire

KINDS = {name: reader for name, reader in READERS.items() if name in ("chat", "messages", "items")}
each_kind = pytest.mark.parametrize("reader", KINDS.values(), ids=KINDS)

# Everything that a field may hold, and the words that mean something where they stand.
_MEANINGFUL = [
    "user",
    "assistant",
    "tool",
    "function",
    "system",
    "text",
    "tool_use",
    "tool_result",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "shell_call_output",
    "message",
    "reasoning",
    "call_1",
    "server_tool_use",
    "web_search_tool_result",
    "mcp_call",
    "pause_turn",
    "in_progress",
    "{",
    "[1]",
]
_NAMES = [
    "role",
    "content",
    "type",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "name",
    "arguments",
    "input",
    "function",
    "custom",
    "tool_calls",
    "function_call",
    "messages",
    "output",
    "choices",
    "message",
    "text",
    "previous_response_id",
    "conversation",
    "thread",
    "previous_message_id",
    "response_id",
    "tools",
    "status",
    "stop_reason",
    "finish_reason",
    "is_error",
    "error",
    "action",
    "background",
    "session_id",
    "refusal",
]
_WORDS = st.sampled_from([*_MEANINGFUL, "", "\ud800"])
_FIELDS = st.sampled_from(_NAMES)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | _WORDS | st.text(max_size=3)
junk = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS, inner, max_size=6),
    max_leaves=15,
)
junk_objects = st.dictionaries(_FIELDS, junk, max_size=8)


def damaged(draw: st.DrawFn, value: Any) -> Any:
    """Gives a real request or answer with junk in the place of some of its values."""
    if draw(st.integers(0, 14)) == 0:
        return draw(junk)
    if isinstance(value, dict):
        return {name: damaged(draw, item) for name, item in value.items()}
    if isinstance(value, list):
        return [damaged(draw, item) for item in value]
    return value


def real(way: Way) -> tuple[Wire, Json, Json]:
    """Gives a conversation, the request that brings two results in it, and the answer before."""
    wire = Wire(way, "conv-1")
    wire.say("find two")
    response = wire.response(
        "resp-1", "well", [Called("c1", "f", {"q": 1}), Called("c2", "g", {"q": {"r": [2]}})]
    )
    wire.take(response)
    wire.bring([Returned("c1", "f", "one"), Returned("c2", "g", "two", is_error=True)])
    return wire, wire.request(), response


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Conversation, Json, Json]:
    wire, request, response = real(draw(st.sampled_from(WAYS)))
    asked, answered = damaged(draw, request), damaged(draw, response)
    return (
        wire.reader,
        asked if isinstance(asked, dict) else {},
        answered if isinstance(answered, dict) else {},
    )


@each_kind
@settings(deadline=None, max_examples=60)
@given(request=junk_objects, response=junk_objects)
def test_junk_of_every_type_in_every_field(reader: Conversation, request: Json, response: Json) -> None:
    reader.asked(request)
    reader.answer(response)
    reader.calls(response)


@settings(deadline=None, max_examples=150)
@given(st.lists(exchanges(), min_size=1, max_size=5))
def test_damaged_conversations_leave_whole_trees(said: list[tuple[Conversation, Json, Json]]) -> None:
    turns = Turns(CountedIds())
    known: set[str] = set()
    for at, (reader, request, response) in enumerate(said):
        asked, answer = reader.asked(request), reader.answer(response)
        reader.calls(response)
        turns.knows(asked)
        turns.begin(at, float(at), asked, Origin())
        turns.hear(at, at + 0.2, answer)
        for asking in answer.asks:
            turns.start((at, asking.id), at + 0.3, Run("tool", asking.name, {"q": 1}, asking.id), Origin())
        turns.end(at, at + 0.5, Outcome(answer))
    turns.abandon()
    for step in turns.changes():
        assert set(step.place.parents) <= known
        assert step.ended is not None
        known.add(step.place.span_id)


# One at a time.


class Told:
    """One conversation with the tracker, a second for each event."""

    def __init__(self) -> None:
        self.turns = Turns(CountedIds())
        self.now = 0.0
        self.steps: dict[str, Any] = {}

    def call(self, wire: Wire, response: Json | None, request: Json | None = None) -> None:
        self.now += 1
        key = self.now
        asked = wire.reader.asked(wire.request() if request is None else request)
        self.turns.begin(key, self.now, asked, Origin())
        self.now += 1
        if response is not None:
            self.turns.end(key, self.now, Outcome(wire.reader.answer(response)))

    def tree(self) -> list[str]:
        """Gives the name of every step beneath those of its parents, with what a tool gave."""
        self.turns.abandon()
        self.steps = {step.place.span_id: step for step in self.turns.changes()}
        return sorted(self._line(step) for step in self.steps.values())

    def _line(self, step: Any) -> str:
        line = step.name if step.kind != "tool" else f"{step.name} {step.input!r} -> {step.output!r}"
        for parent in step.place.parents:
            line = f"{self._line(self.steps[parent])} / {line}"
        return str(line)


def turn(*beneath: str) -> list[str]:
    return sorted(["agent turn", *(f"agent turn / {line}" for line in beneath)])


def test_arguments_that_are_not_json_stay_as_they_came() -> None:
    told, wire = Told(), Wire("chat", "s")
    wire.say("go")
    response = wire.response("r", None, [Called("c1", "f", {"q": 1})], cut=0)
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned("c1", "f", "one")])
    told.call(wire, wire.response("r2", "done", ()))
    given = json.dumps({"q": 1})[:-1]
    assert told.tree() == turn(
        "reason (iteration 1)",
        "act (iteration 1)",
        f"act (iteration 1) / tool.call (f) {given!r} -> 'one'",
        "reason (iteration 2)",
    )


@pytest.mark.parametrize("missing", [None, 7, "", ["c1"], {"id": "c1"}], ids=repr)
@pytest.mark.parametrize("way", ["chat", "messages", "items"])
def test_a_single_call_without_a_usable_id_is_tied_by_its_place(way: Way, missing: Any) -> None:
    told, wire = Told(), Wire(way, "s")
    wire.say("go")
    response = wire.response("r", None, [Called(missing, "f", {"q": 1})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned(missing, "f", "one")])
    told.call(wire, wire.response("r2", "done", ()))
    assert told.tree() == turn(
        "reason (iteration 1)",
        "act (iteration 1)",
        "act (iteration 1) / tool.call (f) {'q': 1} -> 'one'",
        "reason (iteration 2)",
    )


@pytest.mark.parametrize("way", ["messages", "items"])
def test_two_calls_without_ids_are_not_guessed_at(way: Way) -> None:
    told, wire = Told(), Wire(way, "s")
    wire.say("go")
    response = wire.response("r", None, [Called(None, "f", {"q": 1}), Called(None, "g", {"q": 2})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned(None, "f", "one"), Returned(None, "g", "two")])
    told.call(wire, wire.response("r2", "done", ()))
    assert told.tree() == sorted(
        [*turn("reason (iteration 1)", "act (iteration 1)"), *turn("reason (iteration 1)")]
    )


def test_one_id_for_two_calls_of_an_answer() -> None:
    told, wire = Told(), Wire("chat", "s")
    wire.say("go")
    response = wire.response("r", None, [Called("c", "f", {"q": 1}), Called("c", "g", {"q": 2})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned("c", "f", "one"), Returned("c", "g", "two")])
    told.call(wire, wire.response("r2", "done", ()))
    assert told.tree() == turn(
        "reason (iteration 1)",
        "act (iteration 1)",
        "act (iteration 1) / tool.call (f) {'q': 1} -> 'one'",
        "act (iteration 1) / tool.call (g) {'q': 2} -> 'two'",
        "reason (iteration 2)",
    )


def test_results_of_calls_that_nobody_asked_open_a_turn_without_tools() -> None:
    told = Told()
    wire, _, _ = real("chat")
    told.call(wire, wire.response("r2", "done", ()))
    assert told.tree() == turn("reason (iteration 1)")


def changed_arguments(history: list[Json]) -> list[Json]:
    for message in history:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = '{"q": "redacted"}'
    return history


def without_prompt(history: list[Json]) -> list[Json]:
    return [message for message in history if message["role"] != "user"]


def only_results(history: list[Json]) -> list[Json]:
    return [message for message in history if message["role"] == "tool"]


def summarised(history: list[Json]) -> list[Json]:
    return [{"role": "user", "content": "so far: nothing"}, *history[1:]]


@pytest.mark.parametrize("rewritten", [changed_arguments, without_prompt, only_results, summarised])
def test_a_history_that_was_cut_or_rewritten_goes_on_by_its_ids(
    rewritten: Callable[[list[Json]], list[Json]],
) -> None:
    told, wire = Told(), Wire("chat", "s")
    wire.say("go")
    response = wire.response("r", None, [Called("c1", "f", {"q": 1}), Called("c2", "f", {"q": 2})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned("c1", "f", "one"), Returned("c2", "f", "two")])
    request = wire.request()
    request["messages"] = rewritten(request["messages"])
    told.call(wire, wire.response("r2", "done", ()), request)
    assert told.tree() == turn(
        "reason (iteration 1)",
        "act (iteration 1)",
        "act (iteration 1) / tool.call (f) {'q': 1} -> 'one'",
        "act (iteration 1) / tool.call (f) {'q': 2} -> 'two'",
        "reason (iteration 2)",
    )


def test_an_id_of_two_conversations_needs_the_history_to_tell_them_apart() -> None:
    told = Told()
    wires = []
    for prompt in ("first", "second"):
        wire = Wire("chat", prompt)
        wire.say(prompt)
        response = wire.response(f"r {prompt}", None, [Called("call_0", "f", {"q": 1})])
        told.call(wire, response)
        wire.take(response)
        wire.bring([Returned("call_0", "f", f"of {prompt}")])
        wires.append(wire)
    stranger = Wire("chat", "third")  # its turn began where nobody watched
    stranger.say("third")
    stranger.take(stranger.response("r0", None, [Called("call_0", "f", {"q": 1})]))
    stranger.bring([Returned("call_0", "f", "of third")])
    for wire in (stranger, *reversed(wires)):
        told.call(wire, wire.response(f"r2 {wire.session}", "done", ()))
    own = [
        turn(
            "reason (iteration 1)",
            "act (iteration 1)",
            f"act (iteration 1) / tool.call (f) {{'q': 1}} -> 'of {prompt}'",
            "reason (iteration 2)",
        )
        for prompt in ("first", "second")
    ]
    assert told.tree() == sorted([*own[0], *own[1], *turn("reason (iteration 1)")])


def test_two_agents_that_share_a_registry_and_ask_the_same_are_not_guessed_at() -> None:
    told = Told()
    for prompt in ("one", "other"):
        wire = Wire("messages", prompt)
        wire.say(prompt)
        told.call(wire, wire.response(f"r {prompt}", None, [Called(f"c {prompt}", "f", {"q": 1})]))
    assert not told.turns.start("run", 9.0, Run("tool", "f", {"q": 1}), Origin())
    assert not told.turns.start("found", 9.0, Run("tool", "f", {"q": 1}, found=True), Origin())
    told.turns.stop("run", 10.0, "x", None)
    tree = told.tree()
    assert tree == sorted(
        [*2 * turn("reason (iteration 1)", "act (iteration 1)"), "tool.call (f) {'q': 1} -> 'x'"]
    )


def test_a_new_message_after_results_that_were_answered_opens_a_turn() -> None:
    """A turn that failed is not gone on with by whatever the user says next."""
    told, wire = Told(), Wire("chat", "s")
    wire.say("go")
    response = wire.response("r", None, [Called("c1", "f", {"q": 1})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned("c1", "f", "one")])
    told.call(wire, None)
    wire.say("forget it")
    told.call(wire, wire.response("r2", "fine", ()))
    tree = told.tree()
    assert tree.count("agent turn") == 2
    assert tree.count("agent turn / reason (iteration 2)") == 1


def test_a_new_message_opens_a_turn_even_where_it_names_a_response() -> None:
    told, wire = Told(), Wire("previous", "s")
    wire.say("go")
    response = wire.response("r", "done", ())
    told.call(wire, response)
    wire.take(response)
    wire.say("more")
    told.call(wire, wire.response("r2", "done again", ()))
    assert told.tree() == sorted(2 * turn("reason (iteration 1)"))


@pytest.mark.parametrize("way", ["chat", "messages", "items"])
def test_the_very_same_call_with_the_very_same_id_in_each_iteration(way: Way) -> None:
    told, wire = Told(), Wire(way, "s")
    wire.say("wait for it")
    for number in range(3):
        response = wire.response(f"r{number}", None, [Called("call_0", "poll", {})])
        told.call(wire, response)
        wire.take(response)
        wire.bring([Returned("call_0", "poll", f"state {number}")])
        if number == 1:
            told.call(wire, response)  # and tried again: no iteration of its own
    told.call(wire, wire.response("r", "done", ()))
    acts = [
        line
        for number in range(1, 4)
        for line in (
            f"act (iteration {number})",
            f"act (iteration {number}) / tool.call (poll) {{}} -> 'state {number - 1}'",
        )
    ]
    assert told.tree() == turn(*acts, *(f"reason (iteration {number})" for number in range(1, 5)))


@pytest.mark.parametrize("way", ["chat", "messages", "items", "previous"])
def test_results_with_a_message_of_the_user_beside_them_go_on(way: Way) -> None:
    told, wire = Told(), Wire(way, "s")
    wire.say("go")
    response = wire.response("r", None, [Called("c1", "f", {"q": 1})])
    told.call(wire, response)
    wire.take(response)
    wire.bring([Returned("c1", "f", "one")])
    wire.say("and be brief")
    told.call(wire, None)
    told.call(wire, wire.response("r2", "done", ()))
    assert told.tree() == turn(
        "reason (iteration 1)",
        "act (iteration 1)",
        "act (iteration 1) / tool.call (f) {'q': 1} -> 'one'",
        "reason (iteration 2)",
    )

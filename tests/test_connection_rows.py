"""What is known of OpenAI's connections leads somewhere in the SDK, and copes with whatever a server says."""

import importlib
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.clock import SystemClock
from bttrace.contracts import Begun, Ended
from bttrace.model import Connection
from bttrace.providers.openai import realtime
from bttrace.providers.openai.realtime import CONNECTIONS, REALTIME, Conversation, RealtimeFold
from bttrace.seams.websockets.exchange import Origin, Peer
from bttrace.seams.websockets.exchanges import Exchanges
from bttrace.spans.shape import generation
from bttrace.spans.style import Place, Style
from tests.dialogues import SOUND, added, audio_answer, event, said, text_answer
from tests.sdk_models import fields, model, resolves, shapes

BETA = "openai.types.beta.realtime"
SESSION_OF_BETA = {"temperature", "max_response_output_tokens"}
"""Parameters that only the beta's session has."""

each_row = pytest.mark.parametrize("row", CONNECTIONS, ids=lambda row: str(row.endpoint.api))


class TestTheRows:
    @each_row
    def test_the_classes_are_there(self, row: Connection) -> None:
        for module, names in [*row.classes.items(), *row.lanes.items()]:
            for name in names:
                assert callable(getattr(importlib.import_module(module), name).send)

    def test_the_paths_lead_to_fields(self) -> None:
        for path in [path for paths in REALTIME.parameters.values() for path in paths]:
            assert resolves(model(str(REALTIME.request_model)), path) is (path not in SESSION_OF_BETA)
            assert path not in SESSION_OF_BETA or resolves(model(f"{BETA}.session.Session"), path)
        usage = [path for paths in REALTIME.usage.values() for path in paths]
        for path in (*usage, *REALTIME.details.values(), "output", "status", "status_details.error.message"):
            assert resolves(model(str(REALTIME.response_model)), path)
            assert resolves(model(f"{BETA}.RealtimeResponse"), path)

    @pytest.mark.parametrize(
        ("root", "path"),
        [
            ("RealtimeSessionCreateRequest", "model"),
            ("RealtimeSessionCreateRequest", "instructions"),
            ("RealtimeSessionCreateRequest", "tools"),
            ("RealtimeResponseCreateParams", "input"),
            ("RealtimeResponseCreateParams", "instructions"),
            ("RealtimeResponseCreateParams", "metadata"),
            ("RealtimeResponse", "metadata"),
            ("RealtimeResponse", "status_details.reason"),
            ("ResponseCreateEvent", "response"),
            ("ResponseCreateEvent", "event_id"),
            ("RealtimeErrorEvent", "error.event_id"),
            ("ConversationItemAdded", "previous_item_id"),
            ("realtime_conversation_item_user_message.Content", "audio"),
            ("realtime_conversation_item_user_message.Content", "transcript"),
        ],
    )
    def test_a_name_in_the_code_is_a_field(self, root: str, path: str) -> None:
        assert resolves(model(f"openai.types.realtime.{root}"), path)


def events_known() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The event types that the code knows, with the fields that it reads of each."""
    for subject, (_, index, _) in realtime._PART_TEXTS.items():
        yield f"{subject}.delta", ("response_id", "output_index", index, "delta")
    for kind in realtime._TOLD:
        yield kind, ("item", "previous_item_id")
    yield realtime._TRANSCRIBED, ("item_id", "content_index", "transcript")
    yield "conversation.item.deleted", ("item_id",)
    for kind in ("session.created", "session.updated"):
        yield kind, ("session",)
    for kind in ("response.created", realtime._DONE):
        yield kind, ("response",)
    yield "error", ("error",)


@pytest.mark.parametrize(("kind", "names"), sorted(events_known()))
def test_an_event_of_realtime_has_the_fields_that_are_read(kind: str, names: tuple[str, ...]) -> None:
    unions = (str(REALTIME.chunk_model), f"{BETA}.RealtimeServerEvent")
    found = [
        shape
        for union in unions
        for shape in shapes(model(union))
        if kind in get_args(fields(shape).get("type"))
    ]
    assert found
    assert all(fields(shape).keys() >= set(names) for shape in found)


@each_row
def test_the_events_that_begin_and_end_are_there(row: Connection) -> None:
    union = {
        "realtime": "openai.types.realtime.RealtimeServerEvent",
        "responses": "openai.types.responses.ResponsesServerEvent",
    }[row.endpoint.api]
    kinds = {kind for shape in shapes(model(union)) for kind in get_args(fields(shape).get("type", str))}
    assert kinds >= {row.begins, *row.ends, "error"}
    assert {kind for kind in kinds if kind.endswith(row.pieces)}.isdisjoint({row.begins, *row.ends, "error"})


class TestTheConversation:
    def given(self, *events: dict[str, Any], **asked: Any) -> Any:
        conversation = Conversation({})
        for told in events:
            conversation.hear(told)
        return conversation.request(asked)["input"]

    def test_items_stand_where_the_server_puts_them(self) -> None:
        one, two, three = (said(f"item_{n}", str(n)) for n in (1, 2, 3))
        assert self.given(added(one), added(three, "item_1"), added(two, "item_1")) == [one, two, three]
        gone = event("conversation.item.deleted", item_id="item_1")
        assert self.given(added(one), added(two, "item_1"), gone) == [two]

    def test_an_item_that_is_told_again_keeps_its_place(self) -> None:
        one, two, said_more = said("item_1", "a"), said("item_2", "b"), said("item_1", "a and more")
        again = event("conversation.item.done", item=said_more, previous_item_id=None)
        assert self.given(added(one), added(two, "item_1"), again) == [said_more, two]

    def test_only_the_latest_are_kept(self) -> None:
        items = [said(f"item_{n}", "x") for n in range(300)]
        assert self.given(*map(added, items)) == items[-100:]
        large = [said(f"item_{n}", "x" * 300_000) for n in range(5)]
        assert self.given(*map(added, large)) == large[-3:]

    def test_what_the_response_is_asked_with_comes_first(self) -> None:
        item = said("item_1", "a")
        assert self.given(added(item), response={"input": []}) == []
        reference = {"type": "item_reference", "id": "item_1"}
        unknown = {"type": "item_reference", "id": "item_9"}
        assert self.given(added(item), response={"input": [reference, unknown]}) == [item, unknown]

    def test_a_new_session_has_no_past(self) -> None:
        assert self.given(added(said("item_1", "a")), event("session.created", session={})) == []

    def test_sound_is_not_kept(self) -> None:
        item = {"id": "i", "type": "message", "content": [{"type": "input_audio", "audio": SOUND}]}
        assert SOUND not in json.dumps(self.given(added(item)))
        assert SOUND not in json.dumps(self.given(response={"input": [item]}))


@pytest.mark.parametrize("answer", [text_answer("r", "Hel", "lo."), audio_answer("r", "Hel", "lo.")])
def test_the_events_alone_say_what_the_end_says(answer: list[dict[str, Any]]) -> None:
    folds = RealtimeFold(), RealtimeFold()
    for told in answer:
        folds[0].add(told)
        if told["type"] not in ("response.done", "response.output_item.done"):
            folds[1].add(told)
    whole, pieced = (fold.response()["output"] for fold in folds)
    assert isinstance(whole, list)
    assert isinstance(pieced, list)
    words = [[part.get("text") or part.get("transcript") for part in item["content"]] for item in whole]
    assert words == [["Hello."]]
    assert words == [
        [part.get("text") or part.get("transcript") for part in item["content"]] for item in pieced
    ]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "r", "i", "message", "item_reference"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "content", "input", "output", "error", "metadata", "response", "type"]),
            inner,
        )
    ),
    max_leaves=8,
)
KINDS = sorted({kind for kind, _ in events_known()} | {"response.create", "response.completed", "response.x"})
NAMES = (
    "response",
    "response_id",
    "item",
    "item_id",
    "error",
    "delta",
    "part",
    "content_index",
    "output_index",
    "session",
    "stream_id",
    "event_id",
    "sequence_number",
    "previous_item_id",
    "transcript",
    "status",
)
EVENTS = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from(KINDS) | JUNK,
    st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=6),
)


@each_row
@given(told=st.lists(st.tuples(st.booleans(), EVENTS), max_size=12))
def test_no_event_is_too_odd(row: Connection, told: list[tuple[bool, dict[str, Any]]]) -> None:
    begun_by: list[Begun] = []
    ended: list[Ended] = []
    exchanges = Exchanges(row, Peer("openai", "openai", {}), SystemClock(), begun_by.append, ended.append)
    for reading, (was_sent, odd) in enumerate(told):
        (exchanges.sent if was_sent else exchanges.received)(reading, odd, Origin())
    exchanges.leave(len(told), "closed", None)
    asked = [odd for was_sent, odd in told if was_sent and odd["type"] == row.asks]
    begun = [odd for was_sent, odd in told if not was_sent and odd["type"] == row.begins]
    assert max(len(asked), len(begun)) <= len(ended) <= len(asked) + len(begun)
    for exchange in ended:
        facts = exchange.facts()
        assert facts is not None
        assert generation(facts, Place("row", "span", "root"), Style()).type == "llm"

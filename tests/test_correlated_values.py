"""What is said in `bttrace.context(...)`: what can be taken and what can't, what counts more, and what may be told of it."""

from __future__ import annotations

import json
import uuid
from collections import UserDict
from collections.abc import Iterator
from enum import Enum
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests.apis import CHAT, only
from tests.asking import ask
from tests.doors import ROOT, hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.loops import Talk, model, turn
from tests.masks_of_tests import WORD

GIVEN: dict[str, Any] = {"session_id": "s", "user_id": "u", "tags": ["t"], "metadata": {"team": "search"}}
TOLD: dict[str, Any] = {"session_id": "s", "user_id": "u", "tags": ["t"], "team": "search"}
SECRET = "sk-ant-api03-" + "q7Zt" * 20


class Exploding:
    """An object whose every method is a fault of the application's."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __iter__ = items = keys = __hash__ = __eq__ = __str__  # type: ignore[assignment]


class Colour(Enum):
    RED = "red"


def failing_tags() -> Iterator[str]:
    yield "one"
    raise RuntimeError("no more tags")


@pytest.fixture(name="client")
def _client(provider: ProviderServer) -> Iterator[Any]:
    provider.reply(chat())
    with CHAT.client(provider) as client:
        yield client


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a row tells of what was said around it."""
    known = {
        name: row["metadata"][name] for name in ("session_id", "user_id", "team") if name in row["metadata"]
    }
    return {**known, **({"tags": row["tags"]} if "tags" in row else {})}


# argument, what was given, what the one warning must say; and what of it is taken, if anything
WRONG: dict[str, tuple[str, Any, list[str], Any]] = {
    "session of 257": ("session_id", "x" * 257, ["257 characters", "256 are allowed"], None),
    "user of 129": ("user_id", "x" * 129, ["129 characters", "128 are allowed"], None),
    "session with a line break": ("session_id", "a\nb", [r"'a\nb'", "control characters"], None),
    "user with an escape": ("user_id", "a\x1b[31m", ["control characters"], None),
    "user with a C1 character": ("user_id", "a\x9bb", ["control characters"], None),
    "session that is a list": ("session_id", ["s"], ["<list>", "must be a text"], None),
    "session that is a truth": ("session_id", True, ["<bool>", "must be a text"], None),
    "session that explodes": ("session_id", Exploding(), ["Exploding>", "must be a text"], None),
    "tags that are a number": ("tags", 7, ["7", "list of texts"], None),
    "tags that are bytes": ("tags", b"one", ["'one'", "list of texts"], None),
    "tags that are a mapping": ("tags", {"a": 1}, ["<dict>", "list of texts"], None),
    "tags that fail": ("tags", failing_tags, ["generator>", "list of texts"], None),
    "tags that explode": ("tags", Exploding(), ["Exploding>", "list of texts"], None),
    "a tag of 257": ("tags", ["t", "x" * 257], ["257 characters", "256 are allowed"], ["t"]),
    "a tag with a NUL": ("tags", ["a\0b", "t"], [r"'a\x00b'", "control characters"], ["t"]),
    "a tag that is a list": ("tags", ["t", ["u"]], ["<list>", "must be a text"], ["t"]),
    "metadata that is a list": ("metadata", [("a", 1)], ["<list>", "must be a mapping"], None),
    "metadata that is JSON": ("metadata", '{"team": "x"}', ["must be a mapping"], None),
    "metadata that explodes": ("metadata", Exploding(), ["Exploding>", "must be a mapping"], None),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_argument_is_one_warning_and_the_rest_counts(
    wrong: str, client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    name, value, words, taken = WRONG[wrong]
    given = value() if value is failing_tags else value
    with capture() as captured:
        for _ in range(3):
            with bttrace.context(**{**GIVEN, name: given}):
                ask(client, "hi")
        rows = captured.rows
    left = {field: held for field, held in TOLD.items() if field != ("team" if name == "metadata" else name)}
    assert [told(row) for row in rows] == [left if taken is None else {**left, name: taken}] * 3
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(f"bttrace: bttrace.context({name}=")
    assert line.endswith("it is left out.")
    assert [word for word in words if word not in line] == []
    assert len(line) < 600


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session_id": "x" * 256, "user_id": "y" * 128}, {"session_id": "x" * 256, "user_id": "y" * 128}),
        ({"session_id": uuid.UUID(int=7)}, {"session_id": str(uuid.UUID(int=7))}),
        ({"user_id": 42, "session_id": Colour.RED}, {"user_id": "42", "session_id": "red"}),
        ({"session_id": "  s  ", "user_id": "  "}, {"session_id": "s"}),
        ({"session_id": "Žofie 🦦\N{NO-BREAK SPACE}1"}, {"session_id": "Žofie 🦦\N{NO-BREAK SPACE}1"}),
        ({"tags": "one"}, {"tags": ["one"]}),
        ({"tags": {"one": 1}.keys()}, {"tags": ["one"]}),
        ({"tags": (tag for tag in ("one", " two ", "one", "", 3))}, {"tags": ["one", "two", "3"]}),
        ({"tags": []}, {}),
        ({"metadata": MappingProxyType({"team": "ads"})}, {"team": "ads"}),
        ({"metadata": UserDict(team=["ads", {"of": 1}])}, {"team": ["ads", {"of": 1}]}),
        ({"metadata": {"session_id": "m", "user_id": "n"}, "user_id": "u"}, {"session_id": "m", "user_id": "u"}),
        ({}, {}),
    ],
)  # fmt: skip
def test_what_can_be_taken(given: Any, expected: Any, client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with capture() as captured:
        with bttrace.context(**given):
            ask(client, "hi")
        assert told(only(captured)) == expected
    assert capfd.readouterr().err == ""


def test_tags_without_end_do_not_hold_the_application_up(client: Any) -> None:
    with capture() as captured:
        with bttrace.context(tags=map(str, count())):
            ask(client, "hi")
        assert len(only(captured)["tags"]) == 1000


def test_it_is_told_as_it_was_when_the_block_was_made(client: Any) -> None:
    tags: Any = ["t"]
    metadata: Any = {"team": ["search"], "of": {"size": 3}}
    with capture() as captured:
        with bttrace.context(tags=tags, metadata=metadata):
            tags.append("later")
            metadata["team"].append("later")
            metadata["later"] = []
            ask(client, "hi")
        row = only(captured)
        assert (row["tags"], row["metadata"]["team"], row["metadata"]["of"]) == (
            ["t"],
            ["search"],
            {"size": 3},
        )
        assert "later" not in row["metadata"]
    assert (tags, metadata) == (
        ["t", "later"],
        {"team": ["search", "later"], "of": {"size": 3}, "later": []},
    )


def test_metadata_of_any_kind_is_told_as_far_as_json_has_it(client: Any) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with capture() as captured:
        odd: Any = {"nan": float("nan"), "loop": loop, "any": Exploding(), 7: "seven"}
        with bttrace.context(metadata=odd):
            ask(client, "hi")
        metadata = only(captured)["metadata"]
        assert (metadata["nan"], metadata["7"]) == (None, "seven")
        assert "Exploding" in metadata["any"]
        json.dumps(metadata)


# What counts more.


def test_what_a_span_knows_itself_is_not_replaced(client: Any) -> None:
    lies = {"model": "lie", "provider": "lie", "request_id": "lie", "temperature": 9, "finish_reason": "lie"}
    with capture() as captured:
        ask(client, "bare", temperature=1)
        with bttrace.context(metadata={**lies, "mine": 1}):
            ask(client, "hi", temperature=1)
        bare, row = captured.rows
        assert row["metadata"] == {**bare["metadata"], "mine": 1}


def test_the_block_counts_more_than_the_environment(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTTRACE_SESSION_ID", "env")
    monkeypatch.setenv("BTTRACE_USER_ID", "env")
    monkeypatch.setenv("BTTRACE_TAGS", "env, t")
    monkeypatch.setenv("BTTRACE_METADATA", '{"team": "env", "stage": {"of": "env"}}')
    with capture() as captured:
        ask(client, "bare")
        with bttrace.context(session_id="s", tags=["t", "u"], metadata={"team": "search"}):
            ask(client, "hi")
        bare, row = captured.rows
        assert told(bare) == {"session_id": "env", "user_id": "env", "tags": ["env", "t"], "team": "env"}
        assert told(row) == {"session_id": "s", "user_id": "env", "tags": ["env", "t", "u"], "team": "search"}
        assert bare["metadata"]["stage"] == row["metadata"]["stage"] == {"of": "env"}


def test_the_block_counts_more_than_what_is_found_out_of_a_conversation(
    provider: ProviderServer,
) -> None:
    """Turns of one conversation have one session, unless the application says better."""
    provider.reply(model())
    with CHAT.client(provider) as client, capture() as captured:
        talk = Talk("chat")
        turn(talk, client, "one")
        turn(talk, client, "two")
        with bttrace.context(session_id="s"):
            turn(talk, client, "three")
        turns = {
            row["input"]: row["metadata"]["session_id"]
            for row in captured.rows
            if row["span_attributes"]["name"] == "agent turn"
        }
        assert turns["one"] == turns["two"] != "s"
        assert turns["three"] == "s"


def test_a_share_of_the_sessions(client: Any) -> None:
    """Of each session all or none, as `Sampling` decides by its id; of the calls outside, by their own."""
    with capture(sample_rate=0.3) as captured:
        for number in range(20):
            with bttrace.context(session_id=f"session-{number}"):
                ask(client, "hi")
                ask(client, "hi again")
        assert [row["metadata"]["session_id"] for row in captured.rows] == [
            *["session-0"] * 2,
            *["session-19"] * 2,
        ]


# What may be told.


def test_without_content_it_is_told_still(client: Any) -> None:
    """It is custom metadata, which OpenRouter's privacy mode lets pass."""
    with capture(capture_content=False) as captured:
        with bttrace.context(**GIVEN):
            ask(client, "hi")
        row = only(captured)
        assert told(row) == TOLD
        assert "input" not in row


def test_a_mask_and_the_secret_shapes_see_it(client: Any) -> None:
    said: dict[str, Any] = {
        "session_id": f"s-{WORD}",
        "user_id": SECRET,
        "tags": [f"t-{WORD}", SECRET],
        "metadata": {"team": [WORD, {"key": f"is {SECRET}"}]},
    }
    with capture(mask="tests.masks_of_tests:shouts") as captured:
        with bttrace.context(**said):
            ask(client, "hi")
        row = only(captured)
        assert row["metadata"]["session_id"] == "s-*****"
        assert row["metadata"]["team"][0] == "*****"
        assert row["tags"][0] == "t-*****"
        assert (WORD in repr(row), SECRET in repr(row)) == (False, False)


def test_a_warning_holds_no_secret(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with capture(), bttrace.context(user_id=SECRET + "\n" + "x"):
        ask(client, "hi")
        bttrace.flush()
    said = capfd.readouterr().err
    assert "bttrace.context(user_id=" in said
    assert "q7Zt" not in said


ADOPTED = """
import braintrust, bttrace, openai
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
with logger.start_span("theirs"), bttrace.context(tags=["swordfish", "*****", "t"]):
    openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
"""


def test_tags_that_a_mask_makes_the_same_are_one_tag(provider: ProviderServer, tmp_path: Path) -> None:
    """Two would be refused by the braintrust SDK, and the span lost with them, in a span of the application's."""
    provider.reply(chat())
    mask = {"BTTRACE_MASK": "tests.masks_of_tests:shouts", "PYTHONPATH": str(ROOT)}
    with BraintrustServer() as server:
        done = hooked(ADOPTED, server.env(), provider.env(), mask, cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        [row] = [row for row in server.rows("Theirs") if row["span_attributes"].get("type") == "llm"]
        assert row["tags"] == ["*****", "t"]

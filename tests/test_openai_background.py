"""Responses in the background: their tokens count once, whichever call first hears that they have ended."""

import threading
from dataclasses import replace
from typing import Any

import openai
import pytest

from tests.apis import CHAT, SAID, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, openai_error, response, response_stream
from tests.loopback.reply import whole
from tests.ways import Make, Row, row, rows

PATH = "/v1/responses/resp_loopback"
each_kind = pytest.mark.parametrize("aio", [False, True], ids=["sync", "async"])


def in_background(reply: Reply, **changed: Any) -> Reply:
    """Gives the same reply, saying that its response runs in the background."""

    def said(data: bytes) -> bytes:
        return data.replace(b'"background":false', b'"background":true').replace(
            b'"background": false', b'"background": true'
        )

    return replace(reply, body=said(reply.body), events=tuple(map(said, reply.events)), **changed)


def pending(status: str) -> Reply:
    return in_background(response(status=status, usage=None, text=""))


DONE = in_background(response())


def created(client: Any) -> Any:
    return client.responses.create(model="gpt-5-mini", input="hi", background=True)


def created_streamed(client: Any) -> Any:
    return client.responses.create(model="gpt-5-mini", input="hi", background=True, stream=True)


def retrieved(client: Any) -> Any:
    return client.responses.retrieve("resp_loopback")


def resumed(client: Any) -> Any:
    return client.responses.retrieve("resp_loopback", stream=True, starting_after=3)


def cancelled(client: Any) -> Any:
    return client.responses.cancel("resp_loopback")


def tokens(found: list[Row]) -> list[int | None]:
    return [row["metrics"].get("tokens") for row in found]


@each_kind
def test_one_that_is_polled(aio: bool, provider: ProviderServer) -> None:
    provider.route("/v1/responses", pending("queued"))
    provider.route(PATH, pending("queued"), pending("in_progress"), DONE)
    polls: list[Make] = [retrieved] * 5
    began, ended = rows(provider, created, *polls, aio=aio)
    assert len(provider.requests) == 6
    assert began["metadata"]["api"] == "responses"
    assert "finish_reason" not in began["metadata"]
    assert "tokens" not in began["metrics"]
    assert ended["span_attributes"] == {"name": "llm.generation (gpt-5-mini-2025-08-07)", "type": "llm"}
    assert ended["input"] == {"response_id": "resp_loopback"}
    assert ended["output"][0]["content"][0]["text"] == SAID
    assert ended["metadata"]["api"] == "responses.retrieve"
    assert ended["metadata"]["finish_reason"] == "completed"
    assert ended["metadata"]["response_id"] == "resp_loopback"
    assert tokens([began, ended]) == [None, 18]


@each_kind
def test_one_whose_stream_is_read_to_its_end(aio: bool, provider: ProviderServer) -> None:
    provider.route("/v1/responses", in_background(response_stream()))
    provider.route(PATH, DONE)
    (found,) = rows(provider, created_streamed, retrieved, retrieved, aio=aio)
    assert found["metrics"]["tokens"] == 18
    assert found["metadata"]["api"] == "responses"


@each_kind
def test_one_whose_stream_is_taken_up_again(aio: bool, provider: ProviderServer) -> None:
    provider.route("/v1/responses", pending("queued"))
    provider.route(PATH, in_background(response_stream()), DONE)
    began, ended = rows(provider, created, resumed, retrieved, aio=aio)
    assert tokens([began, ended]) == [None, 18]
    assert ended["output"][0]["content"][0]["text"] == SAID
    assert ended["metadata"]["stream_end"] == "exhausted"
    assert ended["metrics"]["time_to_first_token"] == 0.0
    assert provider.requests[1].query == {"stream": "true", "starting_after": "3"}


def test_a_stream_that_is_left_early_leaves_the_end_to_another(provider: ProviderServer) -> None:
    provider.route("/v1/responses", in_background(response_stream()))
    provider.route(PATH, in_background(response_stream()), DONE)
    began, ended = rows(provider, created_streamed, resumed, retrieved, retrieved, chunks=5)
    assert tokens([began, ended]) == [None, 18]
    assert (began["metadata"]["api"], ended["metadata"]["api"]) == ("responses", "responses.retrieve")
    assert began["metadata"]["stream_end"] == "closed"


def test_a_stream_whose_end_a_poll_told_first_has_no_tokens(provider: ProviderServer) -> None:
    provider.route("/v1/responses", in_background(response_stream()))
    provider.route(PATH, DONE)
    with traced() as (captured, _), CHAT.client(provider) as client:
        stream = created_streamed(client)
        next(stream)
        poll = threading.Thread(target=retrieved, args=[client])
        poll.start()
        poll.join(10)
        list(stream)
        polled, streamed = captured.rows
    assert tokens([polled, streamed]) == [18, None]
    assert streamed["output"] == polled["output"]


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_other_ends(status: str, provider: ProviderServer) -> None:
    provider.route("/v1/responses", pending("queued"))
    provider.route(PATH, in_background(response(status=status)))
    _, ended = rows(provider, created, retrieved, retrieved)
    reason = "max_output_tokens" if status == "incomplete" else status
    assert ended["metadata"]["finish_reason"] == reason
    assert ended.get("error") == ("server_error: The server had an error." if status == "failed" else None)
    assert ended["metrics"]["tokens"] == 18


@each_kind
def test_one_that_is_cancelled(aio: bool, provider: ProviderServer) -> None:
    provider.route("/v1/responses", pending("queued"))
    provider.route(f"{PATH}/cancel", in_background(response(status="cancelled", usage=None)))
    provider.route(PATH, in_background(response(status="cancelled", usage=None)))
    began, ended = rows(provider, created, cancelled, retrieved, aio=aio)
    assert ended["metadata"]["api"] == "responses.cancel"
    assert ended["metadata"]["finish_reason"] == "cancelled"
    assert tokens([began, ended]) == [None, None]


def test_a_poll_that_fails_is_a_span(provider: ProviderServer) -> None:
    provider.route(PATH, openai_error(404, "Not found."))

    def failing(client: Any) -> None:
        with pytest.raises(openai.NotFoundError):
            retrieved(client)

    found = row(provider, failing)
    assert found["error"].startswith("NotFoundError: ")
    assert found["input"] == {"response_id": "resp_loopback"}
    assert found["span_attributes"]["name"] == "llm.generation"


def test_two_responses_are_two(provider: ProviderServer) -> None:
    one, other = (in_background(response(id=f"resp_{n}")) for n in (1, 2))
    provider.route("/v1/responses/resp_1", one)
    provider.route("/v1/responses/resp_2", other)
    asked: list[Make] = [
        lambda client: client.responses.retrieve("resp_1"),
        lambda client: client.responses.retrieve("resp_2"),
        lambda client: client.responses.retrieve("resp_1"),
    ]
    assert tokens(rows(provider, *asked)) == [18, 18]


def test_what_else_is_asked_of_a_response_is_no_span(provider: ProviderServer) -> None:
    listing = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
    provider.route(f"{PATH}/input_items", whole(listing, {}))
    provider.route(PATH, whole({}, {}))

    def asked(client: Any) -> None:
        list(client.responses.input_items.list("resp_loopback"))
        client.responses.delete("resp_loopback")

    assert rows(provider, asked) == []
    assert [request.method for request in provider.requests] == ["GET", "DELETE"]

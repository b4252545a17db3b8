"""ProviderServer: its script, its clock, and the ways in which it fails, seen through the real SDKs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.loopback.listener import Request
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, anthropic_error, chat, chat_stream, html, openai_error

MODEL = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5"
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def oai(provider: ProviderServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def ant(provider: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=provider.anthropic_url, api_key="k", max_retries=0, timeout=10
    ) as client:
        yield client


class TestProviderFaults:
    def test_errors_are_the_sdks_own(
        self, provider: ProviderServer, oai: openai.OpenAI, ant: anthropic.Anthropic
    ) -> None:
        provider.route(
            "/v1/chat/completions",
            openai_error(),
            html(502),
            openai_error(400, "bad", "invalid_request_error", "x"),
        )
        for expected in (openai.RateLimitError, openai.InternalServerError, openai.BadRequestError):
            with pytest.raises(expected) as caught:
                oai.chat.completions.create(model=MODEL, messages=ASKED)
        assert (caught.value.code, caught.value.type) == ("x", "invalid_request_error")
        provider.route("/v1/messages", anthropic_error())
        with pytest.raises(anthropic.APIStatusError, match="Overloaded") as overloaded:
            ant.messages.create(model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        assert (overloaded.value.status_code, overloaded.value.request_id) == (529, "req_loopback_error")

    def test_a_retry_is_a_second_request_on_the_same_queue(
        self, provider: ProviderServer, oai: openai.OpenAI
    ) -> None:
        provider.reply(openai_error(headers={"retry-after-ms": "10"}), chat(text="then"))
        done = oai.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=ASKED)
        assert done.choices[0].message.content == "then"
        assert [request.status for request in provider.requests] == [429, 200]

    @pytest.mark.parametrize("fault", [{"drop_after": 2}, {"reset_after": 2}])
    def test_a_stream_can_break(
        self, provider: ProviderServer, oai: openai.OpenAI, fault: dict[str, Any]
    ) -> None:
        provider.reply(replace(chat_stream(["a", "b", "c"]), gap=0.02, **fault))
        stream = oai.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
        said: list[str | None] = []
        with pytest.raises(openai.APIConnectionError):
            said.extend(chunk.choices[0].delta.content for chunk in stream)
        assert said == ["", "a"]
        assert len(provider.requests[0].sent_ns) == 2

    @pytest.mark.parametrize("fault", [{"drop_after": 0}, {"reset_after": 0}, {"content_length": 5000}])
    def test_a_whole_answer_can_be_cut(
        self, provider: ProviderServer, oai: openai.OpenAI, fault: dict[str, Any]
    ) -> None:
        provider.reply(replace(chat(), **fault))
        with pytest.raises(openai.APIConnectionError) as caught:
            oai.chat.completions.create(model=MODEL, messages=ASKED)
        assert not isinstance(caught.value, openai.APITimeoutError)

    def test_waits_and_gaps_are_kept_and_noted(self, provider: ProviderServer, oai: openai.OpenAI) -> None:
        provider.reply(replace(chat_stream(["a", "b"]), wait=0.1, first_wait=0.2, gap=0.05))
        for _ in oai.chat.completions.create(model=MODEL, messages=ASKED, stream=True):
            pass
        (request,) = provider.requests
        moments = [moment / 1e9 for moment in (request.at_ns, *request.sent_ns)]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert len(gaps) == 5
        assert 0.3 <= gaps[0] < 0.6
        assert all(0.05 <= gap < 0.3 for gap in gaps[1:])

    def test_scripts_can_read_the_request_and_unscripted_paths_say_so(
        self, provider: ProviderServer, oai: openai.OpenAI
    ) -> None:
        def echo(request: Request) -> Reply:
            return chat(text=request.json["messages"][-1]["content"])

        provider.route("/v1/chat/completions", echo)
        assert oai.chat.completions.create(model=MODEL, messages=ASKED).choices[0].message.content == "hi"
        with pytest.raises(openai.NotFoundError, match="no reply is scripted for GET /v1/models"):
            oai.models.list()

    def test_a_child_process_finds_the_provider_by_its_environment(self, provider: ProviderServer) -> None:
        provider.route("/v1/chat/completions", chat())
        code = "import openai; openai.OpenAI().chat.completions.create(model='m', messages=[])"
        env = {**os.environ, **provider.env()}
        assert subprocess.run([sys.executable, "-c", code], env=env, timeout=60, check=False).returncode == 0
        assert len(provider.requests) == 1

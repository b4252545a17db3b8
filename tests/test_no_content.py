"""Without content, nothing that was said leaves the process; tokens, timing and model do."""

from __future__ import annotations

import json

import openai
import pytest

from bttrace.testing import capture
from tests.loopback import replies
from tests.loopback.provider import ProviderServer

SECRET = "attack at dawn"
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": SECRET, "parameters": {"description": SECRET}},
}


def _client(provider: ProviderServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_said_stays_here(*, streamed: bool) -> None:
    with ProviderServer() as provider, capture(capture_content=False) as captured:
        asked = [("call_1", "look_up", json.dumps({"q": SECRET}))]
        provider.reply(replies.chat_stream([SECRET], asked) if streamed else replies.chat(SECRET, asked))
        answer = _client(provider).chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": SECRET}],
            tools=[TOOL],  # type: ignore[list-item]
            stop=[SECRET],
            stream=streamed,
        )
        if streamed:
            list(answer)
        [row] = captured.generations
    assert SECRET not in json.dumps(row)
    assert row["metadata"]["tools"] == ["look_up"]
    assert row["metadata"]["model"] == "gpt-4o-mini-2024-07-18"
    assert row["metrics"]["duration_ms"] > 0
    assert ("prompt_tokens" in row["metrics"]) is not streamed


def test_an_error_is_reduced_to_its_type() -> None:
    with ProviderServer() as provider, capture(capture_content=False) as captured:
        provider.reply(replies.openai_error(400, SECRET))
        with pytest.raises(openai.BadRequestError, match=SECRET):
            _client(provider).chat.completions.create(model="m", messages=[])
        [row] = captured.generations
    assert row["error"] == "BadRequestError"
    assert SECRET not in json.dumps(row)


def test_a_page_instead_of_an_answer_stays_here_too() -> None:
    with ProviderServer() as provider, capture(capture_content=False) as captured:
        provider.reply(replies.html(200, SECRET))
        _client(provider).chat.completions.create(model="m", messages=[])
        [row] = captured.generations
    assert SECRET not in json.dumps(row)

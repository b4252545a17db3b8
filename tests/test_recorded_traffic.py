"""Real exchanges that public projects recorded, replayed through the real SDKs: each span says what the recording says.

The recordings are not part of this project: they are looked for beside it, in `../shared/traffic`, or where
`BTTRACE_TRAFFIC` points. What a stream says is put together here a second time, from the bytes of the recording and by
other code than ours.
"""

import base64
import inspect
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from bttrace.model import Endpoint
from bttrace.providers.anthropic.messages import MESSAGES
from bttrace.providers.openai.chat import CHAT
from bttrace.providers.openai.responses import RESPONSES
from bttrace.testing import Attachment, capture
from tests.recordings import TRAFFIC, Json, events, recorded_server

ENDPOINTS: dict[str, Endpoint] = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}


def recorded() -> dict[str, Json]:
    """Gives every recorded exchange of an API that is traced, by id."""
    found: dict[str, Json] = {}
    for file in sorted(TRAFFIC.glob("exchanges/*.json")) + sorted(TRAFFIC.glob("loops/*.json")):
        content = json.loads(file.read_bytes())
        for exchange in content.get("exchanges", [content]):
            if exchange["api"] in ENDPOINTS and isinstance(exchange["request"]["body"], dict):
                found[exchange["id"]] = exchange
    return found


RECORDED = recorded()
pytestmark = pytest.mark.skipif(not RECORDED, reason=f"no recorded traffic in {TRAFFIC}")
each_exchange = pytest.mark.parametrize("exchange_id", sorted(RECORDED) or ["none"])


@dataclass(frozen=True)
class Replayed:
    """A recorded exchange, the span that its replay left, and what the application got instead of an answer."""

    exchange: Json
    row: Json
    error: Exception | None

    @property
    def api(self) -> str:
        return str(self.exchange["api"])

    @property
    def answer(self) -> Json:
        """The recorded answer, put together if it was a stream."""
        body = self.exchange["response"]["body"]
        if not self.exchange["stream"]:
            return dict(json.loads(body)) if isinstance(body, str) else dict(body)
        return {"chat": said_by_chat, "responses": said_by_response, "messages": said_by_message}[self.api](
            events(body)
        )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with recorded_server() as url:
        yield url


@pytest.fixture(scope="module")
def replayed(server: str) -> dict[str, Replayed]:
    """Every exchange, replayed one after the other in one traced session."""
    if not RECORDED:
        return {}
    errors: dict[str, Exception | None] = {}
    options: Any = {"api_key": "k", "max_retries": 0, "timeout": 20}
    oai = openai.OpenAI(base_url=server + "/v1", **options)
    ant = anthropic.Anthropic(base_url=server, **options)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), oai, ant, capture() as captured:
        patch.setenv("BTTRACE_STRICT", "1")
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, of models that are old by now
        for exchange_id, exchange in RECORDED.items():
            errors[exchange_id] = sent(exchange, oai, ant)
        rows = captured.generations
    assert len(rows) == len(RECORDED)
    return {
        exchange_id: Replayed(RECORDED[exchange_id], row, error)
        for (exchange_id, error), row in zip(errors.items(), rows, strict=True)
    }


def sent(exchange: Json, oai: openai.OpenAI, ant: anthropic.Anthropic) -> Exception | None:
    """Makes the call of an exchange, reads the answer to its end, and gives what was raised."""
    request = exchange["request"]
    beta = "beta=true" in (request.get("query") or "") or bool(request.get("anthropic_beta"))
    create: Any = {
        "chat": oai.chat.completions.create,
        "responses": oai.responses.create,
        "messages": ant.beta.messages.create if beta else ant.messages.create,
    }[exchange["api"]]
    body = {"model": "of-the-url", **request["body"]}
    known = inspect.signature(create).parameters
    arguments: Json = {name: value for name, value in body.items() if name in known}
    arguments["extra_body"] = {name: value for name, value in body.items() if name not in known}
    arguments["extra_headers"] = {"X-Replay-Id": exchange["id"]}
    try:
        answer = create(**arguments)
        if body.get("stream"):
            for _ in answer:
                pass
    except (openai.APIError, anthropic.APIError) as error:
        return error
    return None


# What streams say, from their bytes.


def said_by_chat(chunks: list[Json]) -> Json:
    choices: dict[int, Json] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for choice in chunk.get("choices") or ():
            held = choices.setdefault(choice["index"], {"calls": {}, "finish_reason": None})
            held["finish_reason"] = choice.get("finish_reason") or held["finish_reason"]
            delta = choice.get("delta") or {}
            for name in ("content", "refusal", "reasoning", "reasoning_content"):
                if isinstance(delta.get(name), str):
                    held[name] = held.get(name, "") + delta[name]
            for position, call in enumerate(delta.get("tool_calls") or ()):
                entry = held["calls"].setdefault(call.get("index", position), {"arguments": ""})
                function = call.get("function") or {}
                entry["id"] = call.get("id") or entry.get("id")
                entry["name"] = function.get("name") or entry.get("name")
                entry["arguments"] += function.get("arguments") or ""
    return {"choices": [choices[index] for index in sorted(choices)], "usage": usage}


def said_by_response(chunks: list[Json]) -> Json:
    return dict(chunks[-1].get("response", {})) if chunks else {}


def said_by_message(chunks: list[Json]) -> Json:
    message: Json = {}
    blocks: dict[int, Json] = {}
    for chunk in chunks:
        if chunk["type"] == "message_start":
            message = dict(chunk["message"])
        elif chunk["type"] == "content_block_start":
            blocks[chunk["index"]] = {**chunk["content_block"], "json": ""}
        elif chunk["type"] == "content_block_delta":
            delta, block = chunk["delta"], blocks[chunk["index"]]
            for source, target in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                block[target] = (
                    block.get(target, "") + delta.get(source, "") if source in delta else block.get(target)
                )
            if delta["type"] == "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            block["signature"] = delta.get("signature", block.get("signature"))
        elif chunk["type"] == "message_delta":
            counts = {name: count for name, count in (chunk.get("usage") or {}).items() if count is not None}
            edits = {name: chunk[name] for name in ("context_management",) if chunk.get(name)}
            message = {**message, **chunk["delta"], **edits, "usage": {**message["usage"], **counts}}
    content = []
    for block in blocks.values():
        pieces = block.pop("json")
        if pieces:
            block["input"] = json.loads(pieces)
        content.append({name: value for name, value in block.items() if value is not None})
    return {**message, "content": content}


# What a span must say of an answer.


def spoken(choice: Json) -> Json:
    """Gives what a choice of a chat completion says, without what only a whole answer carries."""
    message = choice.get("message") or {}  # Azure leaves it out when a filter struck
    calls = [
        {
            "id": call.get("id"),
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"] or "",
        }
        for call in message.get("tool_calls") or ()
    ]
    names = ("content", "refusal", "reasoning", "reasoning_content")
    return {
        "calls": calls,
        "finish_reason": choice["finish_reason"],
        **{name: message[name] for name in names if isinstance(message.get(name), str)},
    }


def tokens(api: str, usage: Json | None) -> Json:
    """Gives the counts by hand."""
    if not usage:
        return {}
    if api == "messages":
        read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        prompt = usage["input_tokens"] + (read or 0) + (written or 0)
        counts = {"prompt_cached_tokens": read, "prompt_cache_creation_tokens": written}
        completion = usage["output_tokens"]
        counts["completion_reasoning_tokens"] = (usage.get("output_tokens_details") or {}).get(
            "thinking_tokens"
        )
        counts |= {"prompt_tokens": prompt, "completion_tokens": completion, "tokens": prompt + completion}
    else:
        first, second = ("prompt", "completion") if api == "chat" else ("input", "output")
        details = usage.get(f"{first}_tokens_details") or {}
        counts = {
            "prompt_tokens": usage[f"{first}_tokens"],
            "completion_tokens": usage[f"{second}_tokens"],
            "tokens": usage["total_tokens"],
            "prompt_cached_tokens": details.get("cached_tokens"),
            "completion_reasoning_tokens": (usage.get(f"{second}_tokens_details") or {}).get(
                "reasoning_tokens"
            ),
        }
    return {name: count for name, count in counts.items() if count is not None}


def put_back(told: Any, sent: Any) -> Any:
    """Gives what a span tells with each attachment as it was sent, if that says the same."""
    if isinstance(told, Attachment):
        data = sent["data"] if isinstance(sent, dict) else sent.rpartition(",")[2]
        assert base64.b64decode(data) == told.data
        return sent
    if isinstance(told, dict) and isinstance(sent, dict):
        return {name: put_back(value, sent.get(name)) for name, value in told.items()}
    if isinstance(told, list) and isinstance(sent, list):
        return [put_back(*pair) for pair in zip(told, sent, strict=True)]
    return told


COUNTED = (
    *("prompt_tokens", "completion_tokens", "tokens"),
    *("prompt_cached_tokens", "prompt_cache_creation_tokens", "completion_reasoning_tokens"),
)


@each_exchange
def test_an_exchange_is_the_span_that_the_recording_says(
    exchange_id: str, replayed: dict[str, Replayed]
) -> None:
    found = replayed[exchange_id]
    row, body = found.row, found.exchange["request"]["body"]
    assert row["metadata"]["stream"] is True if body.get("stream") else "stream_end" not in row["metadata"]
    if found.error is not None:
        message = str(found.error)[:4000]
        assert row["error"] == f"{type(found.error).__name__}: {message}"
        return
    assert "error" not in row
    answer = found.answer
    if found.api == "chat":
        assert put_back(row["input"], body["messages"]) == body["messages"]
        whole = (
            [spoken(choice) for choice in answer["choices"]] if not body.get("stream") else answer["choices"]
        )
        for choice in whole if body.get("stream") else ():
            choice["calls"] = list(choice["calls"].values())
        assert [spoken(choice) for choice in row["output"]] == whole
        if not body.get("stream"):
            assert row["output"] == answer["choices"]
    elif found.api == "responses":
        given = body["input"]
        if body.get("instructions"):
            asked = [{"role": "user", "content": given}] if isinstance(given, str) else given
            given = [{"role": "system", "content": body["instructions"]}, *asked]
        assert put_back(row["input"], given) == given
        assert row["output"] == answer["output"]
    else:
        prompt = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        given = [*body["messages"], *prompt]
        assert put_back(row["input"], given) == given
        names = (
            "role",
            "content",
            "stop_reason",
            "stop_sequence",
            "stop_details",
            "container",
            "context_management",
        )
        assert row["output"] == {name: answer[name] for name in names if answer.get(name) is not None}
    expected: Json = (
        {} if found.api == "chat" and not answer.get("usage") else tokens(found.api, answer["usage"])
    )
    counted = {name: count for name, count in row["metrics"].items() if name in COUNTED}
    prompt_creation = (
        counted if found.api == "messages" else {**counted, "prompt_cache_creation_tokens": None}
    )
    assert {name: count for name, count in prompt_creation.items() if count is not None} == expected
    if body.get("stream"):
        assert row["metadata"]["stream_end"] == "exhausted"


@each_exchange
def test_a_stream_of_responses_without_its_last_event(exchange_id: str) -> None:
    """What came before the last event already says all of it: that is what a stream shows that is left early."""
    exchange = RECORDED[exchange_id]
    if exchange["api"] != "responses" or not exchange["stream"] or exchange["response"]["status"] != 200:
        return
    chunks = events(exchange["response"]["body"])
    fold = RESPONSES.fold()
    for chunk in chunks[:-1]:
        if chunk["type"] not in ("response.output_item.done", "response.content_part.done"):
            fold.add(chunk)

    def texts(output: list[Json]) -> list[Any]:
        return [
            [
                part.get("text", part.get("refusal"))
                for part in [*(item.get("content") or ()), *item.get("summary", ())]
            ]
            + [item.get(name) for name in ("arguments", "call_id", "name", "input") if item.get(name)]
            for item in output
            if item["type"] in ("message", "reasoning", "function_call", "custom_tool_call")
        ]

    output: Any = fold.response()["output"]
    assert texts(output) == texts(said_by_response(chunks).get("output", []))

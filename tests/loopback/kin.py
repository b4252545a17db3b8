"""Replies of the providers whose SDKs are of the same family as OpenAI's, where they differ from OpenAI's.

Sources: the SDKs' own models (groq 1.7, cerebras-cloud-sdk 1.91, perplexityai 0.46, llama-api-client 0.6, writer-sdk 3.0).
Tool calls are given as (id, name, arguments as JSON text).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tests.loopback.openai_chat import Object, ToolCall, chat, chat_stream
from tests.loopback.reply import GREETING, STREAM, Reply, pieces, sse, whole

COUNTED: Object = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
GROQ_USAGE: Object = {**COUNTED, "queue_time": 0.01, "prompt_tokens_details": {"cached_tokens": 4}}
WRITER_USAGE: Object = {**COUNTED, "prompt_token_details": {"cached_tokens": 4}}
COST: Object = {
    "input_tokens_cost": 0.001,
    "output_tokens_cost": 0.002,
    "request_cost": 0.005,
    "total_cost": 0.008,
}
PERPLEXITY_USAGE: Object = {**COUNTED, "reasoning_tokens": 2, "search_context_size": "low", "cost": COST}
CITED: Object = {
    "citations": ["https://example.com/faro"],
    "search_results": [{"title": "Faro", "url": "https://example.com/faro", "date": None}],
}
LLAMA_METRICS = [
    {"metric": "num_completion_tokens", "value": 7, "unit": "tokens"},
    {"metric": "num_prompt_tokens", "value": 11, "unit": "tokens"},
    {"metric": "num_total_tokens", "value": 18, "unit": "tokens"},
]


def with_last(reply: Reply, changes: Mapping[str, object], *, dropped: Sequence[str] = ()) -> Reply:
    """The stream with more fields in its last chunk, and without some."""
    *before, last, done = reply.events
    chunk = {**json.loads(last.removeprefix(b"data: ")), **changes}
    return replace(reply, events=(*before, sse({k: v for k, v in chunk.items() if k not in dropped}), done))


def groq_stream(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A stream whose last chunk has the usage of its own accord, under `x_groq`."""
    return with_last(chat_stream(tool_calls=tool_calls), {"x_groq": {"id": "req_1", "usage": GROQ_USAGE}})


def cerebras_stream(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A stream whose last chunk has usage and times, and no choices at all."""
    stream = chat_stream(tool_calls=tool_calls, usage=COUNTED)
    return with_last(stream, {"time_info": {"total_time": 0.02}}, dropped=("choices",))


def perplexity(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A completion with what it cites and what it cost."""
    reply = chat(tool_calls=tool_calls, usage=PERPLEXITY_USAGE)
    return replace(reply, body=json.dumps({**json.loads(reply.body), **CITED}).encode())


def perplexity_stream(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A stream whose first chunk cites nothing yet, and whose last has everything."""
    return with_last(chat_stream(tool_calls=tool_calls, usage=PERPLEXITY_USAGE), CITED)


def llama(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A whole answer of Llama's API."""
    message: Object = {"role": "assistant", "stop_reason": "tool_calls" if tool_calls else "stop"}
    message["content"] = "" if tool_calls else {"type": "text", "text": "".join(GREETING)}
    if tool_calls:
        message["tool_calls"] = [
            {"id": call_id, "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in tool_calls
        ]
    return whole({"id": "AxYz", "completion_message": message, "metrics": LLAMA_METRICS}, {})


def llama_stream(tool_calls: Sequence[ToolCall] = ()) -> Reply:
    """A streamed answer of Llama's API: a start, its pieces, the end, the counts."""
    reason = "tool_calls" if tool_calls else "stop"
    events: list[Object] = [{"event_type": "start", "delta": {"type": "text", "text": ""}}]
    deltas = (
        list(_call_deltas(tool_calls))
        if tool_calls
        else [{"type": "text", "text": text} for text in GREETING]
    )
    events += [{"event_type": "progress", "delta": delta} for delta in deltas]
    events += [{"event_type": "complete", "delta": {"type": "text", "text": ""}, "stop_reason": reason}]
    events += [{"event_type": "metrics", "delta": {"type": "text", "text": ""}, "metrics": LLAMA_METRICS}]
    return Reply(headers=STREAM, events=tuple(sse({"id": "AxYz", "event": event}) for event in events))


def _call_deltas(tool_calls: Sequence[ToolCall]) -> Iterator[Object]:
    for call_id, name, arguments in tool_calls:
        yield {"type": "tool_call", "id": call_id, "function": {"name": name}}
        for piece in pieces(arguments):
            yield {"type": "tool_call", "function": {"arguments": piece}}

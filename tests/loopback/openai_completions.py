"""Replies of OpenAI's POST /v1/completions: whole, and the same as a stream."""

from collections.abc import Mapping, Sequence

from tests.loopback.reply import GREETING, STREAM, Reply, sse, whole

Object = dict[str, object]

_HEAD: Object = {
    "id": "cmpl-loopback",
    "object": "text_completion",
    "created": 1767225600,
    "model": "gpt-3.5-turbo-instruct:20230824-v2",
}
_HEADERS = {"x-request-id": "req_loopback_completions"}
COMPLETION_USAGE: Object = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def completion(
    texts: Sequence[Sequence[str]] = (GREETING,), *, logprobs: bool = False, finish_reason: str = "stop"
) -> Reply:
    """A completion with one choice for each text, which is given in pieces."""
    choices = [
        {
            "text": "".join(pieces),
            "index": index,
            "logprobs": _logprobs(pieces) if logprobs else None,
            "finish_reason": finish_reason,
        }
        for index, pieces in enumerate(texts)
    ]
    return whole({**_HEAD, "choices": choices, "usage": COMPLETION_USAGE}, _HEADERS)


def completion_stream(
    texts: Sequence[Sequence[str]] = (GREETING,),
    *,
    logprobs: bool = False,
    finish_reason: str = "stop",
    usage: Mapping[str, object] | None = COMPLETION_USAGE,
) -> Reply:
    """The same as a stream: the choices interleaved piece by piece, their ends, and the usage if there is one."""
    steps: list[tuple[int, str, str | None]] = []
    for position in range(max(map(len, texts))):
        steps += [(i, pieces[position], None) for i, pieces in enumerate(texts) if position < len(pieces)]
    steps += [(index, "", finish_reason) for index in range(len(texts))]
    chunks: list[Object] = [
        {
            **_HEAD,
            "choices": [
                {
                    "text": piece,
                    "index": index,
                    "logprobs": _logprobs([piece]) if logprobs and piece else None,
                    "finish_reason": reason,
                }
            ],
        }
        for index, piece, reason in steps
    ]
    chunks += [{**_HEAD, "choices": [], "usage": usage}] if usage else []
    return Reply(headers={**STREAM, **_HEADERS}, events=(*map(sse, chunks), sse("[DONE]")))


def _logprobs(pieces: Sequence[str]) -> Object:
    return {
        "tokens": list(pieces),
        "token_logprobs": [-0.5 for _ in pieces],
        "top_logprobs": [{piece: -0.5} for piece in pieces],
        "text_offset": [len(piece) for piece in pieces],
    }

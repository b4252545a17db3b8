"""Clients of many hosts, calls of them, and what they say of tokens: what tests of costs have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import anthropic
import openai

from tests.apis import CHAT, MESSAGES, RESPONSES
from tests.elsewhere import ToLoopback
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply

AT = datetime(2026, 10, 20, 12, tzinfo=timezone.utc).timestamp()
"""When the list prices below were in force, in seconds since the epoch."""


def openais(base_url: str | None = None) -> Callable[[ProviderServer], Any]:
    """Gives how to make a client of OpenAI's SDK, of a host that answers to its own name."""

    def client(provider: ProviderServer) -> Any:
        http = openai.DefaultHttpxClient(transport=ToLoopback(provider))
        return openai.OpenAI(api_key="k", base_url=base_url, http_client=http, max_retries=0)

    return client


def anthropics(provider: ProviderServer) -> Any:
    http = anthropic.DefaultHttpxClient(transport=ToLoopback(provider))
    return anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)


def bedrock(provider: ProviderServer) -> Any:
    http = anthropic.DefaultHttpxClient(verify=False)
    options: dict[str, Any] = {"api_key": "k", "aws_region": "eu-west-1", "http_client": http}
    return anthropic.AnthropicBedrock(base_url=provider.url, max_retries=0, **options)


def vertex(provider: ProviderServer) -> Any:
    http = anthropic.DefaultHttpxClient(verify=False)
    options: dict[str, Any] = {"access_token": "k", "project_id": "p", "region": "global"}
    return anthropic.AnthropicVertex(
        base_url=f"{provider.url}/v1", http_client=http, max_retries=0, **options
    )


def azure(provider: ProviderServer) -> Any:
    http = openai.DefaultHttpxClient(verify=False)
    options: dict[str, Any] = {"api_key": "k", "api_version": "2025-01-01", "http_client": http}
    return openai.AzureOpenAI(azure_endpoint=provider.url, max_retries=0, **options)


OPENAI, GROQ, GOOGLE, XAI = (
    openais("https://api.openai.com/v1"),
    openais("https://api.groq.com/openai/v1"),
    openais("https://generativelanguage.googleapis.com/v1beta/openai"),
    openais("https://api.x.ai/v1"),
)


def used(prompt: int, completion: int, into: Any = (), out: Any = (), beyond: int = 0) -> dict[str, Any]:
    """What OpenAI's chat says of tokens; some hosts count those `beyond` the completion in the total alone."""
    details = {"prompt_tokens_details": dict(into), "completion_tokens_details": dict(out)}
    total = prompt + completion + beyond
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **details}


def responded(prompt: int, completion: int, cached: int, reasoning: int) -> dict[str, Any]:
    counted = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    details = {"input_tokens_details": {"cached_tokens": cached}}
    return {**counted, **details, "output_tokens_details": {"reasoning_tokens": reasoning}}


def written(prompt: int, completion: int, read: int, short: int, long: int, **more: Any) -> dict[str, Any]:
    """What Anthropic says of tokens, which counts those that were read from the cache or written to it apart."""
    split = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    return {
        "input_tokens": prompt,
        "output_tokens": completion,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": split,
        **more,
    }


def asks(model: str, **given: Any) -> Callable[[Any], Any]:
    return lambda client: CHAT.resource(client).create(**{**CHAT.given, "model": model, **given})


def responds(model: str, **given: Any) -> Callable[[Any], Any]:
    return lambda client: RESPONSES.resource(client).create(**{**RESPONSES.given, "model": model, **given})


def messages(model: str, **given: Any) -> Callable[[Any], Any]:
    return lambda client: MESSAGES.resource(client).create(**{**MESSAGES.given, "model": model, **given})


def with_fields(reply: Reply, **fields: Any) -> Reply:
    """Gives a whole answer with further fields."""
    return replace(reply, body=json.dumps({**json.loads(reply.body), **fields}).encode())

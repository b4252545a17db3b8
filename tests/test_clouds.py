"""The SDKs' clients for somebody else's cloud: who answers is told from the client, and the span is whole."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest

from bttrace.providers.hosts import provider_name
from tests.apis import ASKED, BETA, CHAT, MESSAGES, RESPONSES, SAID, Api, only, traced
from tests.loopback.anthropic_bedrock import bedrock, bedrock_error_event
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import Reply, anthropic_error, openai_error, token_count


def unchanged(reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True)
class Cloud:
    """A client class and its asynchronous twin, what they are made with, and where they then ask.

    `within` is what follows the server's address in the base URL; `asks` has the paths of whole and streamed answers.
    """

    name: str
    sync: str
    twin: str
    api: Api
    options: dict[str, Any]
    asks: tuple[str, str]
    within: str = ""
    model: str = "claude-haiku-4-5"
    streamed: Callable[[Reply], Reply] = unchanged
    needs: str | None = None

    def __repr__(self) -> str:
        return f"{self.sync}-{self.api}"

    def client(self, provider: ProviderServer, *, twin: bool = False) -> Any:
        sdk = self.api.sdk
        http = sdk.DefaultAsyncHttpxClient if twin else sdk.DefaultHttpxClient
        options = {
            "max_retries": 0,
            "http_client": http(verify=False),
            "base_url": provider.url + self.within,
        }
        made = getattr(sdk, self.twin if twin else self.sync)
        return made(**{**options, **self.options})

    @property
    def given(self) -> dict[str, Any]:
        return {**self.api.given, "model": self.model}


BEDROCK = Cloud(
    "bedrock",
    "AnthropicBedrock",
    "AsyncAnthropicBedrock",
    MESSAGES,
    {"api_key": "k", "aws_region": "eu-west-1"},
    (
        "/model/anthropic.claude-haiku-4-5-v1:0/invoke",
        "/model/anthropic.claude-haiku-4-5-v1:0/invoke-with-response-stream",
    ),
    model="anthropic.claude-haiku-4-5-v1:0",
    streamed=bedrock,
    needs="botocore.eventstream",
)
_VERTEX = "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-haiku-4-5@20251001"
VERTEX = Cloud(
    "vertex",
    "AnthropicVertex",
    "AsyncAnthropicVertex",
    MESSAGES,
    {"access_token": "k", "project_id": "p", "region": "europe-west1"},
    (f"{_VERTEX}:rawPredict", f"{_VERTEX}:streamRawPredict"),
    within="/v1",
    model="claude-haiku-4-5@20251001",
)
FOUNDRY = Cloud(
    "azure",
    "AnthropicFoundry",
    "AsyncAnthropicFoundry",
    MESSAGES,
    {"api_key": "k"},
    ("/anthropic/v1/messages", "/anthropic/v1/messages"),
    within="/anthropic",
)
MANTLE = Cloud(
    "bedrock",
    "AnthropicBedrockMantle",
    "AsyncAnthropicBedrockMantle",
    MESSAGES,
    {"api_key": "k", "aws_region": "eu-west-1"},
    ("/anthropic/v1/messages", "/anthropic/v1/messages"),
    within="/anthropic",
)
AWS = Cloud(
    "anthropic",
    "AnthropicAWS",
    "AsyncAnthropicAWS",
    MESSAGES,
    {"api_key": "k", "aws_region": "eu-west-1", "workspace_id": "wrkspc_1"},
    ("/v1/messages", "/v1/messages"),
)
GOOGLE = replace(
    AWS,
    sync="AnthropicGoogleCloud",
    twin="AsyncAnthropicGoogleCloud",
    options={"skip_auth": True, "workspace_id": "wrkspc_1"},
)
AZURE = Cloud(
    "azure",
    "AzureOpenAI",
    "AsyncAzureOpenAI",
    CHAT,
    {"api_key": "k", "api_version": "2025-04-01-preview"},
    ("/openai/deployments/mine/chat/completions", "/openai/deployments/mine/chat/completions"),
    within="/openai",
    model="mine",
)
BEDROCK_OPENAI = Cloud(
    "bedrock",
    "BedrockOpenAI",
    "AsyncBedrockOpenAI",
    CHAT,
    {"api_key": "k", "aws_region": "eu-west-1"},
    ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
    within="/openai/v1",
)
CLOUDS = (
    BEDROCK,
    replace(BEDROCK, api=BETA),
    VERTEX,
    replace(VERTEX, api=BETA),
    FOUNDRY,
    replace(FOUNDRY, api=BETA),
    MANTLE,
    AWS,
    GOOGLE,
    AZURE,
    replace(AZURE, api=RESPONSES, asks=("/openai/responses", "/openai/responses")),
    BEDROCK_OPENAI,
    replace(BEDROCK_OPENAI, api=RESPONSES, asks=("/openai/v1/responses", "/openai/v1/responses")),
)
each_cloud = pytest.mark.parametrize("cloud", CLOUDS, ids=repr)


def streamable(cloud: Cloud) -> None:
    if cloud.needs is not None:
        pytest.importorskip(
            cloud.needs, reason=f"{cloud.sync} reads its streams with botocore, an extra of the SDK"
        )


def checked(row: dict[str, Any], cloud: Cloud) -> None:
    """Checks all of a span that depends on where it went, or must not."""
    assert row["metadata"]["provider"] == cloud.name
    assert row["metadata"]["model"] == cloud.api.model
    assert row["metadata"]["api"] == (CHAT.name if cloud.api is CHAT else cloud.api.path.rpartition("/")[2])
    assert row["span_attributes"] == {"name": f"llm.generation ({cloud.api.model})", "type": "llm"}
    assert row["input"] == ASKED
    assert cloud.api.text(row["output"]) == SAID
    assert "error" not in row
    assert row["context"]["caller_filename"] == __file__


@each_cloud
def test_a_whole_answer(cloud: Cloud, provider: ProviderServer) -> None:
    provider.route(cloud.asks[0], cloud.api.whole())
    with cloud.client(provider) as client, traced() as (captured, _):
        cloud.api.resource(client).create(**cloud.given)
        row = only(captured)
    checked(row, cloud)
    assert row["metrics"]["tokens"] > 0


@each_cloud
def test_a_stream(cloud: Cloud, provider: ProviderServer) -> None:
    streamable(cloud)
    provider.route(cloud.asks[1], cloud.streamed(cloud.api.streamed()))
    with cloud.client(provider) as client, traced() as (captured, _):
        assert list(cloud.api.resource(client).create(**cloud.given, stream=True))
        row = only(captured)
    checked(row, cloud)
    assert row["metadata"]["stream_end"] == "exhausted"
    assert row["metrics"]["time_to_first_token"] == 0.0


@each_cloud
@pytest.mark.parametrize("streamed", [False, True])
def test_asynchronously(cloud: Cloud, streamed: bool, provider: ProviderServer) -> None:
    async def ask() -> None:
        async with cloud.client(provider, twin=True) as client:
            answer = await cloud.api.resource(client).create(**cloud.given, stream=streamed)
            if streamed:
                assert [chunk async for chunk in answer]

    if streamed:
        streamable(cloud)
    reply = cloud.streamed(cloud.api.streamed()) if streamed else cloud.api.whole()
    provider.route(cloud.asks[int(streamed)], reply)
    with traced() as (captured, _):
        asyncio.run(ask())
        checked(only(captured), cloud)


@each_cloud
def test_a_refusal_names_the_model_that_was_asked(cloud: Cloud, provider: ProviderServer) -> None:
    """Bedrock and Vertex take the model out of the body; what is left of it is in the address."""
    refusal = anthropic_error if cloud.api.sdk is anthropic else openai_error
    provider.route(cloud.asks[0], refusal(400))
    with cloud.client(provider) as client, traced() as (captured, _):
        with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)):
            cloud.api.resource(client).create(**cloud.given)
        row = only(captured)
    assert row["error"].startswith("BadRequestError: ")
    assert row["metadata"]["provider"] == cloud.name
    assert row["metadata"]["model"] == cloud.model
    assert row["input"] == ASKED


@pytest.mark.parametrize(
    ("client", "host", "expected"),
    [
        ("OpenAI", "bedrock-mantle.eu-west-1.api.aws", "bedrock"),
        ("AnthropicAWS", "aws-external-anthropic.eu-west-1.api.aws", "anthropic"),
        ("AsyncAnthropicGoogleCloud", "claude.googleapis.com", "anthropic"),
        ("Anthropic", "eu-west1-aiplatform.googleapis.com", "google"),
    ],
)
def test_a_cloud_by_its_host(client: str, host: str, expected: str) -> None:
    assert provider_name(client, host, "openai") == expected


def test_a_stream_that_bedrock_breaks_off(provider: ProviderServer) -> None:
    streamable(BEDROCK)
    begun = bedrock(BEDROCK.api.streamed())
    reply = replace(begun, events=(*begun.events[:4], bedrock_error_event()))
    provider.route(BEDROCK.asks[1], reply)
    with BEDROCK.client(provider) as client, traced() as (captured, _):
        with pytest.raises(anthropic.APIStatusError):
            list(client.messages.create(**BEDROCK.given, stream=True))
        row = only(captured)
    assert row["metadata"]["stream_end"] == "failed"
    assert MESSAGES.text(row["output"]) == "Hello"
    assert "Too many requests" in row["error"]


def test_vertex_counts_tokens(provider: ProviderServer) -> None:
    path = "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/count-tokens:rawPredict"
    provider.route(path, token_count(14))
    with VERTEX.client(provider) as client, traced() as (captured, _):
        client.messages.count_tokens(model=VERTEX.model, messages=ASKED)
        row = only(captured)
    assert row["output"] == {"input_tokens": 14}
    assert row["metadata"]["provider"] == "vertex"
    assert row["metadata"]["model"] == VERTEX.model


def test_what_a_cloud_does_not_have_is_a_failed_call(provider: ProviderServer) -> None:
    """Bedrock's client refuses by itself (anthropic 2.11, `lib/bedrock/_client.py`): the span says so."""
    with BEDROCK.client(provider) as client, traced() as (captured, _):
        with pytest.raises(anthropic.AnthropicError):
            client.messages.count_tokens(model=BEDROCK.model, messages=ASKED)
        row = only(captured)
    assert row["error"] == "AnthropicError: Token counting is not supported in Bedrock yet"
    assert row["metadata"]["provider"] == "bedrock"
    assert provider.requests == []

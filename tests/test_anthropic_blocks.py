"""Every kind of content that an Anthropic message can take or give, streamed and not: the spans are the same."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.apis import BETA, MESSAGES, Api, generated, traced
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import MESSAGE_USAGE, content, content_stream

SEARCH = {
    "type": "web_search_result",
    "title": "Oslo",
    "url": "https://example.org/oslo",
    "encrypted_content": "ZW5j",
    "page_age": None,
}
CITED = {
    "type": "web_search_result_location",
    "cited_text": "4 degrees",
    "encrypted_index": "aWR4",
    "title": "Oslo",
    "url": "https://example.org/oslo",
}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "4 degrees"}}


def used(name: str, kind: str = "server_tool_use", **given: Any) -> dict[str, Any]:
    return {"type": kind, "id": "srvtoolu_1", "name": name, "input": given}


def result(kind: str, found: Any) -> dict[str, Any]:
    return {"type": f"{kind}_tool_result", "tool_use_id": "srvtoolu_1", "content": found}


def ran(kind: str) -> dict[str, Any]:
    files = [{"type": f"{kind}_output", "file_id": "file_1"}]
    told = {"type": f"{kind}_result", "stdout": "4\n", "stderr": "", "return_code": 0, "content": files}
    return result(kind, told)


def said(text: str = "It is 4.", **beside: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **beside}


STABLE: dict[str, list[dict[str, Any]]] = {
    "thinking": [{"type": "thinking", "thinking": "2 and 2 is", "signature": "c2ln"}, said()],
    "redacted thinking": [{"type": "redacted_thinking", "data": "c2VjcmV0"}, said()],
    "citations": [
        said(
            citations=[
                {"type": "char_location", "cited_text": text, "document_index": 0, "document_title": None}
                for text in ("one", "two")
            ]
        )
    ],
    "web search": [
        used("web_search", query="Oslo"),
        result("web_search", [SEARCH]),
        said(citations=[CITED]),
    ],
    "web search that failed": [
        used("web_search", query="Oslo"),
        result("web_search", {"type": "web_search_tool_result_error", "error_code": "unavailable"}),
    ],
    "web fetch": [
        used("web_fetch", url="https://example.org/oslo"),
        result(
            "web_fetch",
            {"type": "web_fetch_result", "url": "https://example.org/oslo", "content": DOCUMENT},
        ),
        said(),
    ],
    "code execution": [
        used("code_execution", code="print(4)"),
        ran("code_execution"),
    ],
    "bash": [
        used("bash_code_execution", command="echo 4"),
        ran("bash_code_execution"),
    ],
    "text editor": [
        used("text_editor_code_execution", command="create", path="a.py", file_text="4"),
        result(
            "text_editor_code_execution",
            {"type": "text_editor_code_execution_create_result", "is_file_update": False},
        ),
    ],
    "container upload": [{"type": "container_upload", "file_id": "file_1"}, said()],
}
BETA_ONLY: dict[str, list[dict[str, Any]]] = {
    "mcp": [
        {**used("weather", "mcp_tool_use", city="Oslo"), "server_name": "w"},
        {**result("mcp", [said("4 degrees")]), "is_error": False},
        said(),
    ],
    "compaction": [{"type": "compaction", "content": "So far.", "encrypted_content": "ZW5j"}, said()],
}
CASES = [
    *(
        pytest.param(api, blocks, id=f"{api}-{name}")
        for api in (MESSAGES, BETA)
        for name, blocks in STABLE.items()
    ),
    *(pytest.param(BETA, blocks, id=f"{BETA}-{name}") for name, blocks in BETA_ONLY.items()),
]
OF_EACH = pytest.mark.parametrize(("api", "blocks"), CASES)
HOW = pytest.mark.parametrize("how", ["whole", "streamed", "helper"])


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[anthropic.Anthropic]:
    with MESSAGES.client(provider) as client:
        yield client


def asked(
    client: Any, provider: ProviderServer, api: Api, how: str, blocks: Any, reply: Any = None, **given: Any
) -> dict[str, Any]:
    """Gives the span of one call that is answered with these blocks."""
    reply = reply or {}
    make = content if how == "whole" else content_stream
    provider.route("/v1/messages", make(blocks, **reply))
    resource = api.resource(client)
    with traced() as (captured, _):
        if how == "helper":
            with resource.stream(**{**api.given, **given}) as stream:
                assert stream.get_final_message().id == "msg_loopback"
        elif how == "streamed":
            assert [chunk.type for chunk in resource.create(**{**api.given, **given}, stream=True)]
        else:
            assert resource.create(**{**api.given, **given}).id == "msg_loopback"
        return generated(captured)


@OF_EACH
@HOW
def test_the_output_is_the_content(
    api: Api, blocks: Any, how: str, provider: ProviderServer, client: Any
) -> None:
    row = asked(client, provider, api, how, blocks)
    assert row["output"] == {"role": "assistant", "content": blocks, "stop_reason": "end_turn"}
    assert row["metadata"]["finish_reason"] == "end_turn"
    assert row["metrics"]["tokens"] == 26
    assert ("time_to_first_token" in row["metrics"]) is (how != "whole")


@OF_EACH
def test_the_same_asynchronously(api: Api, blocks: Any, provider: ProviderServer) -> None:
    async def ask() -> None:
        async with api.aclient(provider) as client, api.resource(client).stream(**api.given) as stream:
            await stream.get_final_message()

    provider.route("/v1/messages", content_stream(blocks))
    with traced() as (captured, _):
        asyncio.run(ask())
        assert generated(captured)["output"]["content"] == blocks


class TestWhatStandsBesideTheContent:
    @HOW
    def test_the_container_and_the_edits_of_the_context(
        self, how: str, provider: ProviderServer, client: Any
    ) -> None:
        beside = {
            "container": {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z", "skills": None},
            "context_management": {
                "applied_edits": [
                    {
                        "type": "clear_tool_uses_20250919",
                        "cleared_tool_uses": 2,
                        "cleared_input_tokens": 900,
                    }
                ]
            },
        }
        wanted = {"edits": [{"type": "clear_tool_uses_20250919"}]}
        row = asked(client, provider, BETA, how, [said()], {"beside": beside}, context_management=wanted)
        assert row["output"] == {
            "role": "assistant",
            "content": [said()],
            "stop_reason": "end_turn",
            **beside,
        }
        assert row["metadata"]["context_management"] == wanted

    @HOW
    def test_why_it_refused(self, how: str, provider: ProviderServer, client: Any) -> None:
        details = {"type": "refusal", "category": "cyber", "explanation": "No."}
        beside = {"stop_reason": "refusal", "stop_details": details}
        row = asked(client, provider, MESSAGES, how, [], {"beside": beside})
        assert row["output"]["stop_details"] == details
        assert row["metadata"]["finish_reason"] == "refusal"

    @HOW
    def test_what_server_tools_and_further_passes_used(
        self, how: str, provider: ProviderServer, client: Any
    ) -> None:
        """A compaction's tokens are no part of the sums (anthropic 2.11, `types/beta/beta_usage.py`): they are told apart."""
        counts = {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 0}
        usage = {
            "output_tokens": 7,
            "speed": "fast",
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
            "iterations": [{"type": "compaction", **counts}, {"type": "message", **counts}],
        }
        row = asked(client, provider, BETA, how, [said()], {"usage": usage})
        assert row["metadata"]["speed"] == "fast"
        assert row["metadata"]["server_tool_use"] == usage["server_tool_use"]
        assert row["metadata"]["usage_iterations"] == usage["iterations"]
        assert row["metrics"]["tokens"] == 26

    def test_a_null_at_the_end_of_a_stream_takes_nothing_back(
        self, provider: ProviderServer, client: Any
    ) -> None:
        row = asked(
            client,
            provider,
            MESSAGES,
            "streamed",
            [said()],
            {"usage": {"cache_read_input_tokens": None, "input_tokens": None}},
        )
        assert row["metrics"]["prompt_tokens"] == sum(
            int(str(MESSAGE_USAGE[name]))
            for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        )


class TestWhatIsSentAlong:
    """What is not text stays in its place; of an MCP server, only what its tools did is told."""

    @pytest.mark.parametrize(
        "block",
        [
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            {
                "type": "document",
                "source": {"type": "file", "file_id": "file_2"},
                "citations": {"enabled": True},
            },
            {"type": "container_upload", "file_id": "file_3"},
        ],
        ids=lambda block: f"{block['type']}-{block.get('source', {}).get('type', 'file')}",
    )
    @HOW
    def test_files_images_and_documents(
        self, block: Any, how: str, provider: ProviderServer, client: Any
    ) -> None:
        messages = [{"role": "user", "content": [block, {"type": "text", "text": "What is it?"}]}]
        row = asked(client, provider, BETA, how, [said()], messages=messages)
        assert row["input"] == messages

    @HOW
    def test_a_pdf_that_is_sent_itself_leaves_the_request_as_it_was(
        self, how: str, provider: ProviderServer, client: Any
    ) -> None:
        data = base64.b64encode(b"%PDF-1.7 loopback").decode()
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        messages = [{"role": "user", "content": [{"type": "document", "source": source}]}]
        before = json.dumps(messages)
        row = asked(client, provider, MESSAGES, how, [said()], messages=messages)
        assert json.dumps(messages) == before
        assert json.dumps(provider.requests[-1].json["messages"]) == before
        assert row["input"][0]["content"][0]["type"] == "document"

    @HOW
    def test_the_token_of_an_mcp_server_is_not_recorded(
        self, how: str, provider: ProviderServer, client: Any
    ) -> None:
        server = {
            "type": "url",
            "url": "https://mcp.example.org",
            "name": "w",
            "authorization_token": "sk-mcp",
        }
        toolset = {"type": "mcp_toolset", "mcp_server_name": "w"}
        row = asked(
            client,
            provider,
            BETA,
            how,
            [said()],
            mcp_servers=[server],
            tools=[toolset],
            container="container_1",
        )
        assert provider.requests[-1].json["mcp_servers"] == [server]
        assert "sk-mcp" not in json.dumps(row)
        assert row["metadata"]["tools"] == [toolset]

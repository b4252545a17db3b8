"""The rules for `llm` spans in the instrumentation guide of `braintrustdata/braintrust-spec`, one test each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from tests.loopback import replies
from tests.specification import ASKED, CALL, WEATHER, Service, faults, served


@pytest.fixture
def service() -> Iterator[Service]:
    with served() as both:
        yield both


class TestMetadata:
    """Of the instrumentation guide, "Metadata" and "Available tool definitions"."""

    def test_the_model_is_the_one_that_answered_and_else_the_one_that_was_asked(
        self, service: Service
    ) -> None:
        service.provider.reply(replies.chat(), replies.openai_error(400))
        service.oai.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
        with pytest.raises(openai.BadRequestError):
            service.oai.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
        models = [row["metadata"]["model"] for row in service.rows]
        assert models == ["gpt-4o-mini-2024-07-18", "gpt-4o-mini"]
        assert [row["metadata"]["provider"] for row in service.rows] == ["openai", "openai"]
        assert service.rows[1]["error"].startswith("BadRequestError: ")

    def test_functions_are_described_alike_whatever_the_provider(self, service: Service) -> None:
        service.provider.route("/v1/chat/completions", replies.chat())
        service.provider.route("/v1/responses", replies.response())
        service.provider.route("/v1/messages", replies.message())
        service.oai.chat.completions.create(
            model="m", messages=ASKED, tools=[{"type": "function", "function": WEATHER}]
        )
        service.oai.responses.create(
            model="m", input=ASKED, tools=[{"type": "function", **WEATHER, "strict": None}]
        )
        schema = {"name": WEATHER["name"], "description": WEATHER["description"]}
        service.ant.messages.create(
            model="m", max_tokens=9, messages=ASKED, tools=[{**schema, "input_schema": WEATHER["parameters"]}]
        )
        rows = service.rows
        assert [row["metadata"]["tools"] for row in rows] == [[{"type": "function", "function": WEATHER}]] * 3
        assert [row["input"] for row in rows] == [ASKED] * 3

    def test_the_providers_own_tools_stay_as_they_are(self, service: Service) -> None:
        service.provider.route("/v1/responses", replies.response())
        service.provider.route("/v1/messages", replies.message())
        search = {"type": "web_search", "search_context_size": "low"}
        bash = {"type": "bash_20250124", "name": "bash"}
        service.oai.responses.create(model="m", input=ASKED, tools=[search])
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED, tools=[bash])
        assert [row["metadata"]["tools"] for row in service.rows] == [[search], [bash]]

    def test_without_tools_there_is_no_list_of_them(self, service: Service) -> None:
        service.provider.reply(replies.chat())
        service.oai.chat.completions.create(model="m", messages=ASKED)
        service.oai.chat.completions.create(model="m", messages=ASKED, tools=[])
        for row in service.rows:
            assert not {"tools", "tool_choice", "prompt"} & set(row["metadata"])

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ({"type": "auto"}, "auto"),
            ({"type": "any"}, "required"),
            ({"type": "none"}, "none"),
            ({"type": "tool", "name": "forecast"}, {"type": "function", "function": {"name": "forecast"}}),
        ],
    )
    def test_anthropics_tool_choice_is_told_in_openais_words(
        self, service: Service, given: object, wanted: object
    ) -> None:
        service.provider.reply(replies.message())
        tool = {"name": "forecast", "input_schema": {"type": "object"}}
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED, tools=[tool], tool_choice=given)
        assert service.row["metadata"]["tool_choice"] == wanted

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("required", "required"),
            (
                {"type": "function", "name": "forecast"},
                {"type": "function", "function": {"name": "forecast"}},
            ),
        ],
    )
    def test_responses_tool_controls(self, service: Service, given: object, wanted: object) -> None:
        service.provider.reply(replies.response())
        service.oai.responses.create(
            model="m",
            input=ASKED,
            tools=[{"type": "function", **WEATHER}],
            tool_choice=given,
            parallel_tool_calls=False,
            max_tool_calls=3,
        )
        metadata = service.row["metadata"]
        controls = {name: metadata[name] for name in ("tool_choice", "parallel_tool_calls", "max_tool_calls")}
        assert controls == {"tool_choice": wanted, "parallel_tool_calls": False, "max_tool_calls": 3}


class TestContent:
    """Of the instrumentation guide, "Tool calls in completion API output" and "Streaming"."""

    @pytest.mark.parametrize("streamed", [False, True])
    def test_arguments_that_are_no_json_pass_as_they_are(self, service: Service, *, streamed: bool) -> None:
        calls = [("call_1", "forecast", '{"town": Oslo')]
        reply = replies.chat_stream(tool_calls=calls) if streamed else replies.chat(tool_calls=calls)
        service.provider.reply(reply)
        answer = service.oai.chat.completions.create(model="m", messages=ASKED, stream=streamed)
        if streamed:
            list(answer)
        [called] = service.row["output"][0]["message"]["tool_calls"]
        assert called["function"] == {"name": "forecast", "arguments": '{"town": Oslo'}

    @pytest.mark.parametrize("streamed", [False, True])
    def test_anthropics_tool_use_has_its_input_as_an_object(
        self, service: Service, *, streamed: bool
    ) -> None:
        builder = replies.message_stream if streamed else replies.message
        service.provider.reply(builder(tool_calls=[CALL]))
        answer = service.ant.messages.create(model="m", max_tokens=9, messages=ASKED, stream=streamed)
        if streamed:
            list(answer)
        output = service.row["output"]
        wanted = {"type": "tool_use", "id": "call_1", "name": "forecast", "input": {"town": "Oslo"}}
        assert faults(output, {"role": "assistant", "stop_reason": "tool_use", "content": [wanted]}) == []

    def test_results_of_tools_are_part_of_the_next_input(self, service: Service) -> None:
        service.provider.reply(replies.chat(tool_calls=[CALL]), replies.chat())
        first = service.oai.chat.completions.create(model="m", messages=ASKED).choices[0].message
        result = {"role": "tool", "tool_call_id": "call_1", "content": '{"degrees": 4}'}
        service.oai.chat.completions.create(
            model="m", messages=[*ASKED, first.model_dump(exclude_none=True), result]
        )
        _, second = service.rows
        assert second["input"][-1] == result
        assert second["input"][-2]["tool_calls"][0]["id"] == "call_1"

    def test_a_streams_row_is_as_that_of_the_same_answer_whole(self, service: Service) -> None:
        service.provider.reply(
            replies.message("Hello.", [CALL], thinking="Let me see."),
            replies.message_stream(["Hel", "lo."], [CALL], thinking=["Let me ", "see."]),
        )
        given: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": ASKED}
        service.ant.messages.create(**given)
        list(service.ant.messages.create(**given, stream=True))
        whole, streamed = service.rows
        assert streamed["input"] == whole["input"]
        assert streamed["output"] == whole["output"]


PLATFORMS: list[tuple[dict[str, str], dict[str, str] | None]] = [
    ({}, None),
    ({"GITHUB_ACTIONS": "true", "CI": "true"}, {"type": "ci", "name": "github_actions"}),
    ({"CI": "1"}, {"type": "ci", "name": "ci"}),
    ({"CI": "false"}, None),
    ({"CI": "true", "VERCEL": "1"}, {"type": "ci", "name": "ci"}),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"type": "server", "name": "kubernetes"}),
    (
        {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"},
        {"type": "server", "name": "aws_lambda"},
    ),
    ({"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}, {"type": "server", "name": "aws_lambda"}),
    ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, {"type": "server", "name": "ecs"}),
    (
        {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2", "AWS_EXECUTION_ENV": "AWS_ECS_EC2"},
        {"type": "server", "name": "ecs"},
    ),
    ({"PYTHON_ENV": "Production"}, {"type": "server", "name": "production"}),
    ({"PYTHON_ENV": "development"}, {"type": "local", "name": "development"}),
    ({"PYTHON_ENV": "test"}, None),
    (
        {"BRAINTRUST_ENVIRONMENT_TYPE": "server", "BRAINTRUST_ENVIRONMENT_NAME": "fly", "CI": "1"},
        {"type": "server", "name": "fly"},
    ),
    ({"BRAINTRUST_ENVIRONMENT_NAME": "laptop", "CI": "1"}, {"name": "laptop"}),
]
"""Variables, and the environment that they mean."""


class TestContext:
    """Of the instrumentation guide, "Context", and of `features/environment-variables.md`."""

    def test_it_says_who_called_and_what_told_it(self, service: Service) -> None:
        service.provider.reply(replies.chat())

        def ask() -> None:
            service.oai.chat.completions.create(model="m", messages=ASKED)

        ask()
        context = service.row["context"]
        line = ask.__code__.co_firstlineno + 1
        assert context == {
            "caller_functionname": "ask",
            "caller_filename": __file__,
            "caller_lineno": line,
            "span_origin": {
                "name": "bttrace",
                "version": bttrace.__version__,
                "instrumentation": {"name": "bttrace.openai"},
            },
        }
        assert not service.row.get("span_parents")

    @pytest.mark.parametrize(
        ("variables", "wanted"), PLATFORMS, ids=lambda value: ",".join(value or ["none"])
    )
    def test_the_environment_is_what_is_known_for_sure(
        self,
        service: Service,
        monkeypatch: pytest.MonkeyPatch,
        variables: dict[str, str],
        wanted: dict[str, str] | None,
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        service.enable()
        service.provider.reply(replies.message())
        service.ant.messages.create(model="m", max_tokens=9, messages=ASKED)
        origin = service.row["context"]["span_origin"]
        assert origin["instrumentation"] == {"name": "bttrace.anthropic"}
        assert origin.get("environment") == wanted

    def test_an_option_wins_and_an_env_file_fills_in(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".env.braintrust").write_text("BRAINTRUST_ENVIRONMENT_TYPE=local\nOTHER=1\n")
        (tmp_path / "below").mkdir()
        monkeypatch.chdir(tmp_path / "below")
        service.provider.reply(replies.chat())
        for options in ({}, {"environment_name": "nightly"}):
            service.enable(**options)
            service.oai.chat.completions.create(model="m", messages=ASKED)
        told = [row["context"]["span_origin"]["environment"] for row in service.rows]
        assert told == [{"type": "local"}, {"name": "nightly"}]

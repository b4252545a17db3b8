"""OpenAI assistants: the runs of a thread. PURE.

Source: openai 3.52, `types/beta/assistant_stream_event.py`, `types/beta/threads`. A run goes on
unseen unless it is streamed; the call that first hears of its end carries its tokens, and
the one that first hears that it waits for tools says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...model import Endpoint, Json
from ...values import at, field, items, json_object, objects, plain, text
from .deltas import Parts
from .responses import finish_reason as response_finish_reason
from .rules import given

_ENDED = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})
_CALLS = "required_action.submit_tool_outputs.tool_calls"


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries what was generated: text, a refusal, or tool calls."""
    kind = field(chunk, "event")
    if kind == "thread.run.step.delta":
        return bool(at(chunk, "data.delta.step_details.tool_calls"))
    return kind == "thread.message.delta" and any(
        at(part, "text.value") or field(part, "refusal") for part in items(at(chunk, "data.delta.content"))
    )


def finish_reason(run: Json) -> str | None:
    """Gives why a run ended or waits; nothing for one that goes on."""
    if text(run.get("status")) not in {*_ENDED, "requires_action"}:
        return None
    return response_finish_reason(run)


def settled(run: Json) -> str | None:
    """Gives the id of a run that has ended; of one that waits for tools, with the ids of their calls."""
    identity, status = text(run.get("id")), text(run.get("status"))
    if status in _ENDED or identity is None:
        return identity
    if status != "requires_action":
        return None
    return " ".join([identity, *(str(call.get("id")) for call in objects(at(run, _CALLS)))])


class RunFold:
    """Puts a run's events together: the run, and its messages and tool calls, which it has not unstreamed."""

    def __init__(self) -> None:
        self._run: Json = {}
        self._messages: dict[str, Parts] = {}
        self._steps: dict[str, Parts] = {}

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = text(field(chunk, "event")) or ""
        data = field(chunk, "data")
        if kind.startswith("thread.run.step."):
            _put(self._steps, kind, data)
        elif kind.startswith("thread.message."):
            _put(self._messages, kind, data)
        elif kind.startswith("thread.run."):
            self._run = json_object(plain(data))

    def response(self) -> Json:
        """Gives the run so far; an empty object when no event came."""
        found = dict(self._run)
        if self._messages:
            found["messages"] = [message.plain() for message in self._messages.values()]
        steps = [json_object(step.plain().get("step_details")) for step in self._steps.values()]
        calls = [call for step in steps for call in objects(step.get("tool_calls"))]
        if calls:
            found["tool_calls"] = calls
        return found


def _put(held: dict[str, Parts], kind: str, data: object) -> None:
    """Takes a message or a step: whole, or the next delta of one."""
    identity = text(field(data, "id"))
    if identity is None:
        return
    if kind.endswith(".delta"):
        held.setdefault(identity, Parts()).add(field(data, "delta"))
    else:
        held[identity] = Parts()
        held[identity].add(data)


_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "max_tokens": ("max_completion_tokens",),
    "response_format": ("response_format",),
    "tool_choice": ("tool_choice",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "stream": ("stream",),
}

RUNS = Endpoint(
    path="/threads/{thread_id}/runs",
    api="threads.runs",
    braintrust_name="openai.beta.threads.runs.create",
    request_model="openai.types.beta.threads.run_create_params.RunCreateParamsBase",
    response_model="openai.types.beta.threads.Run",
    chunk_model="openai.types.beta.AssistantStreamEvent",
    input=given(
        *("thread_id", "assistant_id", "instructions"),
        *("additional_instructions", "additional_messages"),
    ),
    output=given("id", "status", "required_action", "messages", "tool_calls"),
    usage={
        "prompt_tokens": ("usage.prompt_tokens",),
        "completion_tokens": ("usage.completion_tokens",),
        "tokens": ("usage.total_tokens",),
        "prompt_cached_tokens": ("usage.prompt_token_details.cached_tokens",),
        "completion_reasoning_tokens": ("usage.completion_tokens_details.reasoning_tokens",),
    },
    parameters={**_PARAMETERS, "reasoning": ("reasoning_effort",)},
    details={"response_id": "id"},
    finish_reason=finish_reason,
    is_first_token=is_first_token,
    fold=RunFold,
    failure=lambda run: run.get("last_error"),
    settles=settled,
)

THREAD_RUNS = replace(
    RUNS,
    path="/threads/runs",
    api="threads.create_and_run",
    braintrust_name="openai.beta.threads.create_and_run",
    request_model="openai.types.beta.thread_create_and_run_params.ThreadCreateAndRunParamsBase",
    input=given("assistant_id", "instructions", "thread"),
    parameters=_PARAMETERS,
)

TOOL_OUTPUTS = replace(
    RUNS,
    path="/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
    api="threads.runs.submit_tool_outputs",
    braintrust_name="openai.beta.threads.runs.submit_tool_outputs",
    request_model="openai.types.beta.threads.run_submit_tool_outputs_params.RunSubmitToolOutputsParamsBase",
    input=given("thread_id", "run_id", "tool_outputs"),
    parameters={"stream": ("stream",)},
)

RUN_RETRIEVED = replace(
    RUNS,
    method="get",
    path="/threads/{thread_id}/runs/{run_id}",
    api="threads.runs.retrieve",
    braintrust_name="openai.beta.threads.runs.retrieve",
    request_model=None,
    chunk_model=None,
    input=given("thread_id", "run_id"),
    parameters={},
    polls=True,
)

ROWS = (RUNS, THREAD_RUNS, TOOL_OUTPUTS, RUN_RETRIEVED)

"""Every path of every row of knowledge leads somewhere in the SDK's own models, so that drift fails here."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest

import bttrace.providers.anthropic
import bttrace.providers.openai
from bttrace.model import Endpoint, Metric
from tests.sdk_models import fields, model, resolves, shapes

ENDPOINTS = [
    *bttrace.providers.openai.PROVIDER.endpoints,
    *bttrace.providers.anthropic.PROVIDER.endpoints,
]

# What no model of the SDK has, and why a row names it all the same.
EXTENSIONS = {
    ("chat.completions", "reasoning"): "OpenRouter takes Responses' object here too",
    ("messages", "temperature"): "anthropic 2 dropped the argument; the API and anthropic 0.20 to 1 have it",
    ("messages", "top_p"): "anthropic 2 dropped the argument; the API and anthropic 0.20 to 1 have it",
    **{
        (api, path): f"{who} what a call cost"
        for api in (
            *("chat.completions", "completions", "embeddings"),
            *("responses", "responses.retrieve", "responses.cancel"),
            *("images.generate", "images.edit", "images.create_variation"),
        )
        for path, who in {
            "usage.cost": "OpenRouter gives",
            "usage.cost.total_cost": "Perplexity gives",
            "usage.estimated_cost": "DeepInfra gives",
            "usage.cost_in_usd_ticks": "xAI gives",
        }.items()
    },
    ("messages", "usage.cost"): "OpenRouter gives what a message cost too",
    **{
        (api, "usage.completion_tokens_details.image_tokens"): "OpenRouter counts those of images too"
        for api in ("chat.completions", "completions")
    },
    **{
        (api, "stream"): "in the models of the two kinds of call, not in what they share"
        for api in (
            *("chat.completions", "responses", "messages", "completions", "audio.transcriptions"),
            *("images.generate", "images.edit"),
            *("threads.runs", "threads.create_and_run", "threads.runs.submit_tool_outputs"),
        )
    },
    **{
        ("audio.speech", f"usage.{name}"): "in an event that the SDK does not parse"
        for name in ("input_tokens", "output_tokens", "total_tokens")
    },
    **{
        (f"threads.{api}", f"usage.{path}"): "the API's answers have it, the SDK's models have not"
        for api in ("runs", "create_and_run", "runs.submit_tool_outputs", "runs.retrieve")
        for path in ("prompt_token_details.cached_tokens", "completion_tokens_details.reasoning_tokens")
    },
}

# Rows of which the newest SDK has no models.
GONE = {
    "complete": "anthropic 2 dropped the method; 0.20 to 1 have it, and a client's `post` still leads there"
}


def cases() -> Iterator[Any]:
    for endpoint in ENDPOINTS:
        if endpoint.api in GONE:
            continue
        for paths in endpoint.parameters.values():
            for path in paths:
                yield pytest.param(
                    endpoint, endpoint.request_model, path, id=f"{endpoint.api}-request-{path}"
                )
        answered = {
            *(() if callable(endpoint.output) else endpoint.output),
            *endpoint.details.values(),
            *(path for paths in endpoint.usage.values() for path in paths),
        }
        for path in sorted(answered):
            yield pytest.param(endpoint, endpoint.response_model, path, id=f"{endpoint.api}-response-{path}")


@pytest.mark.parametrize(("endpoint", "root", "path"), list(cases()))
def test_a_path_leads_to_a_field(endpoint: Endpoint, root: str | None, path: str) -> None:
    known_as_extension = (endpoint.api, path) in EXTENSIONS
    assert (root is not None and resolves(model(root), path)) is not known_as_extension


# What the code of the rows reads by name: the folds, the first-token rules, the inputs and the reasons of the end.
READ = [
    ("openai.types.chat.ChatCompletionChunk", "choices"),
    ("openai.types.chat.ChatCompletionChunk", "usage"),
    ("openai.types.chat.ChatCompletionChunk", "id"),
    ("openai.types.chat.ChatCompletionChunk", "model"),
    ("openai.types.chat.chat_completion_chunk.Choice", "index"),
    ("openai.types.chat.chat_completion_chunk.Choice", "finish_reason"),
    ("openai.types.chat.chat_completion_chunk.Choice", "logprobs.content"),
    ("openai.types.chat.chat_completion_chunk.Choice", "logprobs.refusal"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.content"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.refusal"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.function_call.arguments"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.tool_calls"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.audio.data"),
    ("openai.types.chat.chat_completion_chunk.Choice", "delta.audio.transcript"),
    ("openai.types.chat.chat_completion_chunk.ChoiceDeltaToolCall", "index"),
    ("openai.types.chat.chat_completion_chunk.ChoiceDeltaToolCall", "function.arguments"),
    ("openai.types.chat.completion_create_params.CompletionCreateParamsBase", "messages"),
    ("openai.types.chat.completion_create_params.CompletionCreateParamsBase", "tools"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "input"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "instructions"),
    ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "tools"),
    ("openai.types.responses.Response", "incomplete_details.reason"),
    ("openai.types.responses.Response", "status"),
    ("openai.types.responses.Response", "error.code"),
    ("openai.types.responses.Response", "error.message"),
    *(("openai.types.CompletionChoice", path) for path in ("index", "text", "finish_reason", "logprobs")),
    *(
        ("openai.types.completion_choice.Logprobs", path)
        for path in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    ),
    ("openai.types.completion_create_params.CompletionCreateParamsBase", "prompt"),
    ("openai.types.EmbeddingCreateParams", "input"),
    ("openai.types.CreateEmbeddingResponse", "data"),
    ("openai.types.Embedding", "embedding"),
    ("openai.types.ModerationCreateParams", "input"),
    *(("openai.types.DecisionCreateParams", path) for path in ("input", "questions")),
    ("openai.types.image_generate_params.ImageGenerateParamsBase", "prompt"),
    *(
        ("openai.types.image_edit_params.ImageEditParamsBase", path)
        for path in ("prompt", "image", "mask", "markup")
    ),
    ("openai.types.ImageCreateVariationParams", "image"),
    *(
        (f"openai.types.Image{kind}Event", path)
        for kind in ("GenPartialImage", "GenCompleted", "EditPartialImage", "EditCompleted")
        for path in ("type", "b64_json", "created_at")
    ),
    *(("openai.types.ImagesResponse", path) for path in ("created", "background", "output_format", "size")),
    *(("openai.types.audio.SpeechCreateParams", path) for path in ("input", "instructions")),
    *(
        (root, path)
        for root in (
            "openai.types.audio.transcription_create_params.TranscriptionCreateParamsBase",
            "openai.types.audio.TranslationCreateParams",
        )
        for path in ("file", "prompt")
    ),
    *(("openai.types.audio.Transcription", path) for path in ("text", "usage")),
    *(("openai.types.audio.TranscriptionTextDeltaEvent", path) for path in ("type", "delta", "logprobs")),
    ("openai.types.audio.TranscriptionTextSegmentEvent", "text"),
    *(("openai.types.audio.TranscriptionTextDoneEvent", path) for path in ("text", "usage", "logprobs")),
    *(
        ("openai.types.BatchCreateParams", path)
        for path in ("endpoint", "input_file_id", "completion_window")
    ),
    *(("openai.types.Batch", path) for path in ("id", "status", "errors.data")),
    *(("openai.types.BatchError", path) for path in ("code", "message")),
    *(("openai.types.VideoCreateParams", path) for path in ("prompt", "input_reference", "seconds", "size")),
    ("openai.types.VideoRemixParams", "prompt"),
    *(("openai.types.VideoEditParams", path) for path in ("video", "prompt")),
    *(("openai.types.VideoExtendParams", path) for path in ("video", "prompt", "seconds")),
    *(("openai.types.Video", path) for path in ("id", "status", "error.code", "error.message")),
    *(
        ("openai.types.beta.threads.run_create_params.RunCreateParamsBase", path)
        for path in ("assistant_id", "instructions", "additional_instructions", "additional_messages")
    ),
    *(
        ("openai.types.beta.thread_create_and_run_params.ThreadCreateAndRunParamsBase", path)
        for path in ("assistant_id", "instructions", "thread")
    ),
    (
        "openai.types.beta.threads.run_submit_tool_outputs_params.RunSubmitToolOutputsParamsBase",
        "tool_outputs",
    ),
    *(
        ("openai.types.beta.threads.Run", path)
        for path in (
            *("id", "status", "incomplete_details.reason", "last_error.code", "last_error.message"),
            "required_action.submit_tool_outputs.tool_calls",
        )
    ),
    ("openai.types.beta.threads.MessageDeltaEvent", "delta.content"),
    ("openai.types.beta.threads.TextDeltaBlock", "text.value"),
    ("openai.types.beta.threads.RefusalDeltaBlock", "refusal"),
    ("openai.types.beta.threads.runs.RunStepDeltaEvent", "delta.step_details.tool_calls"),
    ("openai.types.beta.threads.runs.RunStep", "step_details.tool_calls"),
    ("openai.types.responses.Response", "background"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "messages"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "system"),
    ("anthropic.types.message_create_params.MessageCreateParamsBase", "tools"),
    ("anthropic.types.ToolParam", "input_schema"),
    ("anthropic.types.ToolParam", "description"),
    ("anthropic.types.ToolParam", "name"),
    ("anthropic.types.RawMessageStartEvent", "message.usage.input_tokens"),
    ("anthropic.types.RawContentBlockStartEvent", "content_block"),
    ("anthropic.types.RawContentBlockStartEvent", "index"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.text"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.partial_json"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.thinking"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.signature"),
    ("anthropic.types.RawContentBlockDeltaEvent", "delta.citation"),
    ("anthropic.types.beta.BetaRawContentBlockDeltaEvent", "delta.content"),
    ("anthropic.types.beta.BetaRawContentBlockDeltaEvent", "delta.encrypted_content"),
    ("anthropic.types.beta.BetaFallbackBlock", "to.model"),
    ("anthropic.types.RawMessageDeltaEvent", "delta.stop_reason"),
    ("anthropic.types.RawMessageDeltaEvent", "usage.output_tokens"),
]


@pytest.mark.parametrize(("root", "path"), READ)
def test_a_name_in_the_code_is_a_field(root: str, path: str) -> None:
    assert resolves(model(root), path)


# The event types of the Responses API that its fold knows, with the fields that it reads of each.
def responses_events() -> Iterator[tuple[str, tuple[str, ...]]]:
    from bttrace.providers.openai import response_events as known

    for kind in known._WHOLE | known._HEADS:
        yield kind, ("response",)
    for kind, (_, index, name) in known._PART_TEXTS.items():
        yield f"{kind}.delta", ("output_index", index, "delta")
        yield f"{kind}.done", ("output_index", index, name)
    for kind, name in known._ITEM_TEXTS.items():
        yield f"{kind}.delta", ("output_index", "delta")
        yield f"{kind}.done", ("output_index", name)
    for kind, (_, index) in known._PARTS.items():
        yield kind, ("output_index", index, "part")
    for kind in known._ITEMS:
        yield kind, ("output_index", "item")
    yield known._ANNOTATION, ("output_index", "content_index", "annotation_index", "annotation")
    yield known._IMAGE, ("output_index", "partial_image_b64", *known._IMAGE_FIELDS)
    for step, name in (("added", "command"), ("delta", "delta"), ("done", "command")):
        yield f"{known._COMMAND}.{step}", ("output_index", "command_index", name)
    yield f"{known._COMMAND_OUTPUT}.delta", ("output_index", "command_index", "delta")
    yield f"{known._COMMAND_OUTPUT}.done", ("output_index", "output")
    yield "response.output_text.delta", ("logprobs",)
    yield "error", ("code", "message", "param")


@pytest.mark.parametrize(("kind", "names"), sorted(responses_events()))
def test_an_event_of_responses_has_the_fields_that_are_read(kind: str, names: tuple[str, ...]) -> None:
    def is_of_this_kind(shape: Any) -> bool:
        return kind in get_args(fields(shape).get("type"))

    (event,) = filter(is_of_this_kind, shapes(model("openai.types.responses.ResponseStreamEvent")))
    assert fields(event).keys() >= set(names)


def statuses(root: str) -> set[str]:
    """Gives every status that work can have, by the SDK's own model."""
    annotation = fields(model(root))["status"]
    wanted = [annotation, *get_args(annotation)]
    return {name for shape in wanted for name in get_args(shape) if isinstance(name, str)}


@pytest.mark.parametrize(
    ("endpoint", "unfinished"),
    [
        ("batches.retrieve", {"validating", "in_progress", "finalizing", "cancelling"}),
        ("videos.retrieve", {"queued", "in_progress"}),
        ("threads.runs.retrieve", {"queued", "in_progress", "cancelling"}),
        ("responses.retrieve", {"queued", "in_progress"}),
    ],
)
def test_a_poll_tells_each_status_of_the_sdk(endpoint: str, unfinished: set[str]) -> None:
    (polled,) = (row for row in ENDPOINTS if row.api == endpoint)
    assert polled.response_model is not None
    known = statuses(polled.response_model)
    assert unfinished < known
    settled = {name for name in known if polled.settles({"id": "a", "status": name, "background": True})}
    assert settled == known - unfinished


def anthropic_deltas() -> Iterator[tuple[str, tuple[str, ...]]]:
    from bttrace.providers.anthropic import messages as known

    for kind, (source, _) in known._PIECES.items():
        yield kind, (source,)
    yield from known._WHOLE.items()
    yield "citations_delta", ("citation",)


@pytest.mark.parametrize(("kind", "names"), sorted(anthropic_deltas()))
def test_a_delta_of_messages_has_the_fields_that_are_read(kind: str, names: tuple[str, ...]) -> None:
    deltas = fields(model("anthropic.types.beta.BetaRawContentBlockDeltaEvent"))["delta"]
    (delta,) = (shape for shape in shapes(deltas) if kind in get_args(fields(shape)["type"]))
    assert fields(delta).keys() >= set(names)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: str(endpoint.api))
def test_a_row_names_models_that_exist_and_metrics_that_have_a_name(endpoint: Endpoint) -> None:
    assert endpoint.chunk_model is None or model(endpoint.chunk_model) is not None
    assert set(endpoint.usage) <= set(get_args(Metric))
    assert all(paths for paths in endpoint.usage.values())


def test_each_extension_is_still_in_a_row() -> None:
    named = {
        (endpoint.api, path)
        for endpoint in ENDPOINTS
        for paths in [*endpoint.parameters.values(), *endpoint.usage.values()]
        for path in paths
    }
    assert EXTENSIONS.keys() <= named


class TestTheWalk:
    """That a path which leads nowhere is found."""

    @pytest.mark.parametrize(
        ("root", "path", "expected"),
        [
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens_details.cached_tokens", True),
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens_details.cached_tokenz", False),
            ("openai.types.chat.ChatCompletion", "usage.prompt_tokens.more", False),
            ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "text.format", True),
            ("openai.types.responses.response_create_params.ResponseCreateParamsBase", "text.formats", False),
        ],
    )
    def test_finds_what_is_there_and_nothing_else(self, root: str, path: str, expected: bool) -> None:
        assert resolves(model(root), path) is expected

"""Every way to call a model, under braintrust's own wrappers, with bttrace enabled before, after or never.

    python -m tests.beside.braintrust_calls wrap|auto|both before|after|never|disabled [silent]

Each call asks with its own name, by which its spans are found. What it gave is printed as JSON. `silent` leaves
braintrust's logger out; `disabled` enables bttrace first and disables it before the calls.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import bttrace

WRAPPING, ENABLING, *SILENT = sys.argv[1:]
if ENABLING in ("before", "disabled"):
    bttrace.enable()

import anthropic  # noqa: E402 - the order is what is tested
import braintrust  # noqa: E402
import openai  # noqa: E402
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner  # noqa: E402

OPENAI = {"model": "gpt-4o-mini"}
ANTHROPIC = {"model": "claude-haiku-4-5", "max_tokens": 99}

oai: Any
aoai: Any
ant: Any
aant: Any
built_before: Any = anthropic.Anthropic(max_retries=0)


def made(name: str, provider: Any) -> Any:
    """Gives a client, wrapped by hand if that is asked for."""
    client = getattr(provider, name)(max_retries=1)
    if WRAPPING == "auto":
        return client
    return (braintrust.wrap_openai if provider is openai else braintrust.wrap_anthropic)(client)


def asked(name: str) -> Any:
    return [{"role": "user", "content": name}]


def said(chunk: Any) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices)


def chat(name: str) -> object:
    return oai.chat.completions.create(**OPENAI, messages=asked(name)).choices[0].message.content


def chat_of_a_copy(name: str) -> object:
    return oai.with_options(timeout=50).chat.completions.create(**OPENAI, messages=asked(name)).id


def chat_streamed(name: str) -> object:
    return "".join(map(said, oai.chat.completions.create(**OPENAI, messages=asked(name), stream=True)))


def chat_left_early(name: str) -> object:
    stream = oai.chat.completions.create(**OPENAI, messages=asked(name), stream=True)
    next(iter(stream))
    return stream.close()


def chat_parsed(name: str) -> object:
    return oai.chat.completions.parse(**OPENAI, messages=asked(name)).choices[0].message.content


def chat_helper(name: str) -> object:
    with oai.chat.completions.stream(**OPENAI, messages=asked(name)) as stream:
        return [event.type for event in stream][-1]


def chat_raw(name: str) -> object:
    return oai.chat.completions.with_raw_response.create(**OPENAI, messages=asked(name)).parse().id


def chat_failed(name: str) -> object:
    return oai.chat.completions.create(**OPENAI, messages=asked(name))


def chat_retried(name: str) -> object:
    return oai.chat.completions.create(**OPENAI, messages=asked(name)).id


def responses(name: str) -> object:
    return oai.responses.create(**OPENAI, input=asked(name)).output_text


def responses_streamed(name: str) -> object:
    return [event.type for event in oai.responses.create(**OPENAI, input=asked(name), stream=True)][-1]


def responses_helper(name: str) -> object:
    with oai.responses.stream(**OPENAI, input=asked(name)) as stream:
        return [event.type for event in stream][-1]


def responses_parsed(name: str) -> object:
    return oai.responses.parse(**OPENAI, input=asked(name)).output_text


def responses_raw(name: str) -> object:
    return oai.responses.with_raw_response.create(**OPENAI, input=asked(name)).parse().output_text


def responses_runner(name: str) -> object:
    tool: Any = {
        "type": "function",
        "name": "weather",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        "strict": True,
    }
    runner = ResponsesToolRunner(functions=[RegisteredFunction(tool, lambda _arguments: "sunny")])
    return runner.run(oai, {"model": OPENAI["model"], "input": asked(name)}).output_text


def embeddings(name: str) -> object:
    return len(oai.embeddings.create(model="text-embedding-3-small", input=name).data)


def embeddings_raw(name: str) -> object:
    return oai.embeddings.with_raw_response.create(model="text-embedding-3-small", input=name).status_code


def images_raw(name: str) -> object:
    return oai.images.with_raw_response.generate(model="gpt-image-1", prompt=name).status_code


def messages(name: str) -> object:
    return ant.messages.create(**ANTHROPIC, messages=asked(name)).content[0].text


def messages_in_a_thread(name: str) -> object:
    return asyncio.run(asyncio.to_thread(messages, name))


def messages_of_a_client_built_before(name: str) -> object:
    return built_before.messages.create(**ANTHROPIC, messages=asked(name)).content[0].text


def messages_streamed(name: str) -> object:
    with ant.messages.create(**ANTHROPIC, messages=asked(name), stream=True) as stream:
        return [event.type for event in stream][-1]


def messages_helper(name: str) -> object:
    with ant.messages.stream(**ANTHROPIC, messages=asked(name)) as stream:
        return "".join(stream.text_stream)


def messages_raw(name: str) -> object:
    return ant.messages.with_raw_response.create(**ANTHROPIC, messages=asked(name)).parse().id


def messages_parsed(name: str) -> object:
    return ant.messages.parse(**ANTHROPIC, messages=asked(name)).content[0].text


def messages_failed(name: str) -> object:
    return ant.messages.create(**ANTHROPIC, messages=asked(name))


def beta_messages(name: str) -> object:
    return ant.beta.messages.create(**ANTHROPIC, messages=asked(name)).content[0].text


def beta_runner(name: str) -> object:
    @anthropic.beta_tool
    def weather() -> str:
        """Tells the weather."""
        return "sunny"

    runner = ant.beta.messages.tool_runner(**ANTHROPIC, messages=asked(name), tools=[weather])
    return runner.until_done().content[0].text


async def achat(name: str) -> object:
    return (await aoai.chat.completions.create(**OPENAI, messages=asked(name))).choices[0].message.content


async def achat_streamed(name: str) -> object:
    stream = await aoai.chat.completions.create(**OPENAI, messages=asked(name), stream=True)
    return "".join([said(chunk) async for chunk in stream])


async def achat_in_a_task(name: str) -> object:
    return await asyncio.wait_for(asyncio.create_task(achat(name)), 30)


async def achat_parsed(name: str) -> object:
    return (await aoai.chat.completions.parse(**OPENAI, messages=asked(name))).id


async def aresponses(name: str) -> object:
    return (await aoai.responses.create(**OPENAI, input=asked(name))).output_text


async def aresponses_streamed(name: str) -> object:
    stream = await aoai.responses.create(**OPENAI, input=asked(name), stream=True)
    return [event.type async for event in stream][-1]


async def amessages(name: str) -> object:
    return (await aant.messages.create(**ANTHROPIC, messages=asked(name))).content[0].text


async def amessages_streamed(name: str) -> object:
    stream = await aant.messages.create(**ANTHROPIC, messages=asked(name), stream=True)
    return [event.type async for event in stream][-1]


async def amessages_helper(name: str) -> object:
    async with aant.messages.stream(**ANTHROPIC, messages=asked(name)) as stream:
        return [event.type async for event in stream][-1]


async def amessages_raw(name: str) -> object:
    return (await aant.messages.with_raw_response.create(**ANTHROPIC, messages=asked(name))).status_code


async def abeta_messages(name: str) -> object:
    return (await aant.beta.messages.create(**ANTHROPIC, messages=asked(name))).content[0].text


CALLS: tuple[Callable[[str], object], ...] = (
    chat,
    chat_of_a_copy,
    chat_streamed,
    chat_left_early,
    chat_parsed,
    chat_helper,
    chat_raw,
    chat_failed,
    chat_retried,
    responses,
    responses_streamed,
    responses_helper,
    responses_parsed,
    responses_raw,
    responses_runner,
    embeddings,
    embeddings_raw,
    images_raw,
    messages,
    messages_in_a_thread,
    messages_of_a_client_built_before,
    messages_streamed,
    messages_helper,
    messages_raw,
    messages_parsed,
    messages_failed,
    beta_messages,
    beta_runner,
)
ACALLS: tuple[Callable[[str], Awaitable[object]], ...] = (
    achat,
    achat_streamed,
    achat_in_a_task,
    achat_parsed,
    aresponses,
    aresponses_streamed,
    amessages,
    amessages_streamed,
    amessages_helper,
    amessages_raw,
    abeta_messages,
)


def outcome(call: Callable[[str], object]) -> object:
    try:
        return call(call.__name__)
    except Exception as error:
        return type(error).__name__


async def outcomes() -> dict[str, object]:
    global aoai, aant
    aoai, aant = made("AsyncOpenAI", openai), made("AsyncAnthropic", anthropic)
    found: dict[str, object] = {}
    for call in ACALLS:
        try:
            found[call.__name__] = await call(call.__name__)
        except Exception as error:
            found[call.__name__] = type(error).__name__
    return found


if not SILENT:
    # Looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12.
    assert braintrust.init_logger(project="Theirs").id
if WRAPPING in ("auto", "both"):
    braintrust.auto_instrument()
oai, ant = made("OpenAI", openai), made("Anthropic", anthropic)
if ENABLING == "after":
    bttrace.enable()
if ENABLING == "disabled":
    bttrace.disable()
print(json.dumps({**{call.__name__: outcome(call) for call in CALLS}, **asyncio.run(outcomes())}))

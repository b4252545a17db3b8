"""Copies, pickles and signatures: of clients, of classes and methods that are patched, of what calls return."""
# ruff: noqa: S301 - what is unpickled are our own bytes

import asyncio
import copy
import functools
import inspect
import pickle
import pydoc
import re
import types
import typing
from typing import Any

import anthropic
import openai
import pydantic

ASKED: Any = [{"role": "user", "content": "hi"}]
SDKS: Any = (openai, anthropic)
PLAIN = pydoc.plaintext  # type: ignore[attr-defined]


def outcome(act: Any) -> object:
    try:
        return re.sub("0x[0-9a-f]+", "ADDRESS", repr(act()))
    except Exception as fault:
        return type(fault).__name__, str(fault)


def same(value: Any) -> list[object]:
    """What copies of a value are, next to the value."""
    return [
        outcome(lambda: copy.copy(value) == value),
        outcome(lambda: copy.deepcopy(value) == value),
        outcome(lambda: pickle.loads(pickle.dumps(value)) == value),
        outcome(lambda: pickle.dumps(value) != b""),
        outcome(lambda: copy.deepcopy([value])[0].__class__.__name__),
    ]


def function(owner: Any, name: str) -> None:
    """All that is told of a method, taken from its class and from an instance's."""
    value = getattr(owner, name)
    print(owner.__module__, owner.__qualname__, name, value.__name__, value.__qualname__, value.__module__)
    print(
        outcome(lambda: inspect.signature(value)),
        outcome(lambda: sorted(typing.get_type_hints(value).items())),
    )
    print(
        inspect.isfunction(value),
        inspect.ismethod(value),
        isinstance(value, types.FunctionType),
        callable(value),
    )
    print(
        inspect.iscoroutinefunction(value),
        inspect.isgeneratorfunction(value),
        inspect.isasyncgenfunction(value),
    )
    print(asyncio.iscoroutinefunction(value), value.__doc__, value.__defaults__, value.__kwdefaults__)
    print(value.__annotations__ == value.__annotations__, value.__code__.co_name, value.__closure__ is None)
    print(outcome(lambda: inspect.getsource(value)[:200]), outcome(lambda: inspect.getsourcelines(value)[1]))
    print(pydoc.render_doc(value, renderer=PLAIN))
    print(*same(value), value == getattr(owner, name), hash(value) == hash(getattr(owner, name)))
    print(outcome(lambda: functools.partial(value).func is value), [n for n in dir(value) if n[:2] != "__"])


def method(instance: Any, name: str) -> None:
    value = getattr(instance, name)
    print(
        value.__self__ is instance,
        value.__func__.__qualname__,
        value == getattr(instance, name),
        value.__name__,
    )
    print(
        inspect.ismethod(value),
        isinstance(value, types.MethodType),
        outcome(lambda: inspect.signature(value)),
    )
    print(outcome(lambda: copy.copy(value) == value), {value: 1}[getattr(instance, name)])
    print(outcome(lambda: copy.deepcopy(value)), outcome(lambda: pickle.dumps(value)))
    print(outcome(lambda: typing.get_type_hints(value) == typing.get_type_hints(value)))


for sdk in SDKS:
    base, response, streaming = sdk._base_client, sdk._response, sdk._streaming
    for owner, name in (
        *(
            (base.SyncAPIClient, "request"),
            (base.AsyncAPIClient, "request"),
            (base.BaseClient, "_build_request"),
        ),
        *((base.SyncAPIClient, "_process_response"), (base.AsyncAPIClient, "_process_response")),
        *(
            (streaming.Stream, "__stream__"),
            (streaming.AsyncStream, "__stream__"),
            (streaming.Stream, "close"),
        ),
        *(
            (streaming.AsyncStream, "close"),
            (response.APIResponse, "close"),
            (response.AsyncAPIResponse, "close"),
        ),
    ):
        function(owner, name)
    for cls in (
        sdk.Stream,
        sdk.AsyncStream,
        sdk.OpenAI if sdk is openai else sdk.Anthropic,
        base.SyncAPIClient,
    ):
        print(pydoc.render_doc(cls, renderer=PLAIN)[:20000])
        print(cls.__module__, cls.__qualname__, outcome(lambda cls=cls: inspect.signature(cls)), *same(cls))
        print([(entry.name, entry.kind, entry.defining_class) for entry in inspect.classify_class_attrs(cls)])

clients: Any = (openai.OpenAI(max_retries=0), anthropic.Anthropic(max_retries=0))
for client in clients:
    for name in ("request", "post", "_build_request"):
        method(client, name)
    for copied in (copy.copy(client), client.with_options(timeout=9), client.copy(max_retries=1)):
        print(type(copied), sorted(vars(copied)) == sorted(vars(client)), copied.timeout, copied.max_retries)
    print(
        outcome(lambda client=client: copy.deepcopy(client)),
        outcome(lambda client=client: pickle.dumps(client)),
    )
    print(repr(client)[:30], sorted(vars(client)))

openai_client, anthropic_client = clients
answers: Any = [
    openai_client.with_options(max_retries=1).chat.completions.create(model="m", messages=ASKED),
    copy.copy(openai_client).responses.create(model="m", input="hi"),
    anthropic_client.with_options(timeout=9).messages.create(model="m", max_tokens=9, messages=ASKED),
    copy.copy(anthropic_client).beta.messages.create(model="m", max_tokens=9, messages=ASKED),
]
for answer in answers:
    print(
        type(answer),
        pickle.loads(pickle.dumps(answer)) == copy.deepcopy(answer) == copy.copy(answer) == answer,
    )
    print(
        sorted(vars(answer)),
        answer._request_id,
        outcome(lambda answer=answer: typing.get_type_hints(type(answer))),
    )
streams: Any = [
    openai_client.chat.completions.create(model="m", messages=ASKED, stream=True),
    openai_client.responses.create(model="m", input="hi", stream=True),
    anthropic_client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True),
]
for stream in streams:
    print(
        type(outcome(lambda stream=stream: copy.deepcopy(stream))),
        outcome(lambda stream=stream: pickle.dumps(stream)),
    )
    other = copy.copy(stream)
    print(type(other), sorted(vars(other)), other.response is stream.response)
    chunks = list(stream)
    print([pickle.loads(pickle.dumps(chunk)) == copy.deepcopy(chunk) == chunk for chunk in chunks])
    whole = pickle.loads(pickle.dumps(stream.response))
    print(type(whole), whole.status_code, whole.is_closed, sorted(vars(whole)))


def now(zone: str, count: int = 1) -> str:
    """Tells the time.

    Args:
        zone: where
        count: how often
    """
    return zone * count


class Weather(pydantic.BaseModel):
    """The weather."""

    city: str
    hot: bool = False


print(openai.pydantic_function_tool(Weather), inspect.signature(now), typing.get_type_hints(now))
print(anthropic.beta_tool(now).to_dict())
print(pydantic.TypeAdapter[Any](now).json_schema())  # type: ignore[arg-type]

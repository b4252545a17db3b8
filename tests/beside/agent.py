"""An agent with a hand-written loop, whose tools trace with braintrust themselves.

    python -m tests.beside.agent MODE

MODE names a function below. Its tools are executed as a registry that is observed executes them.
"""

import asyncio
import contextvars
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import braintrust
import openai

import bttrace
from bttrace import session
from bttrace.sinks import nesting

nesting._PATIENCE = 5.0  # the machine may be busy with other tests
bttrace.enable()
logger: Any = None
flush: Any = braintrust.flush
ASK: Any = {
    "model": "gpt-4o-mini",
    "tools": [{"type": "function", "function": {"name": name}} for name in ("search", "delegate", "fail")],
}
waits: list[float] = []


def logging_to(project: str) -> Any:
    """A logger that has looked its project up: braintrust 0.47 does it at the exit otherwise, and hangs there on 3.12."""
    global logger
    ours = os.environ.get("BRAINTRUST_PROJECT_ID") if project == "Ours" else None
    logger = braintrust.init_logger(project_id=ours) if ours else braintrust.init_logger(project=project)
    assert logger.project.id  # of one that is given its id, the rest is looked up too
    return logger


def executed(call: Any, tools: dict[str, Callable[..., object]]) -> object:
    """What the execution of a tool call gives."""
    assert session._session is not None
    assert session._session.wiring is not None
    executions: Any = session._session.wiring.executions
    name, arguments = call.function.name, json.loads(call.function.arguments)
    execution = executions.begin("tool", name, arguments, call_id=call.id)
    began = time.perf_counter()

    def watched(**given: Any) -> object:
        waits.append(time.perf_counter() - began)
        return tools[name](**given)

    try:
        return executions.run(execution, watched, (), arguments)
    except LookupError as error:
        return f"{type(error).__name__}: {error}"


def answer(prompt: str, tools: dict[str, Callable[..., object]], client: Any = None) -> str | None:
    """Asks until no more tools are asked for."""
    client = client or openai.OpenAI()
    messages: Any = [{"role": "user", "content": prompt}]
    while True:
        said = client.chat.completions.create(messages=messages, **ASK).choices[0].message
        messages.append(said)
        if not said.tool_calls:
            return str(said.content)
        for call in said.tool_calls:
            result = {"role": "tool", "tool_call_id": call.id, "content": str(executed(call, tools))}
            messages.append(result)


def search(query: str) -> str:
    with braintrust.start_span(name=f"look up {query}") as span:
        span.log(output="found")
        return summary(query)


@braintrust.traced
def summary(query: str) -> str:
    return f"{query} is sunny"


def delegate(task: str) -> str | None:
    """Asks a model in a span of the application's, and one outside of it."""
    create = openai.OpenAI().chat.completions.create
    with braintrust.start_span(name="inside"):
        create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"{task} inside"}])
    return (
        create(model="gpt-4o-mini", messages=[{"role": "user", "content": task}]).choices[0].message.content
    )


def fail() -> str:
    raise LookupError("no such thing")


TOOLS: dict[str, Callable[..., object]] = {"search": search, "delegate": delegate, "fail": fail}


def inside_a_span() -> None:
    with logging_to("Theirs").start_span(name="outer") as outer:
        answer("weather?", TOOLS)
        assert braintrust.current_span() is outer


def inside_an_eval() -> None:
    evaluation: Any = braintrust.Eval
    evaluation(
        "Evals",
        data=[{"input": "weather?"}],
        task=lambda question: answer(question, TOOLS),
        scores=[lambda output: float(bool(output))],
    )


def on_its_own() -> None:
    logging_to("Ours")
    answer("weather?", TOOLS)
    with braintrust.start_span(name="afterwards"):
        pass


def in_another_project() -> None:
    logging_to("Theirs")
    answer("weather?", TOOLS)


def discovered() -> None:
    """Nobody says which function is a tool; see `seams/discovery`."""
    logging_to("Ours")
    messages: Any = [{"role": "user", "content": "weather, once"}]
    create = openai.OpenAI().chat.completions.create
    said = create(messages=messages, **ASK).choices[0].message
    messages.append(said)
    for call in said.tool_calls or ():
        result = TOOLS[call.function.name](**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
    create(messages=messages, **ASK)


def on_its_own_in_a_thread() -> None:
    logging_to("Ours")
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(answer, "weather?", TOOLS))
    thread.start()
    thread.join()


def asynchronous() -> None:
    logging_to("Ours")
    assert session._session is not None
    assert session._session.wiring is not None
    executions: Any = session._session.wiring.executions

    async def asearch(query: str) -> str:
        await asyncio.sleep(0.01)
        return search(query)

    async def once(call: Any) -> Any:
        arguments = json.loads(call.function.arguments)
        execution = executions.begin("tool", call.function.name, arguments, call_id=call.id)
        result = await executions.arun(execution, asearch, (), arguments)
        return {"role": "tool", "tool_call_id": call.id, "content": result}

    async def run() -> None:
        async with openai.AsyncOpenAI() as client:
            messages: Any = [{"role": "user", "content": "weather, once"}]
            said = (await client.chat.completions.create(messages=messages, **ASK)).choices[0].message
            results = await asyncio.gather(*map(once, said.tool_calls))
            await client.chat.completions.create(messages=[*messages, said, *results], **ASK)

    asyncio.run(run())


def in_a_workflow() -> None:
    logging_to("Ours")
    assert session._session is not None
    assert session._session.wiring is not None
    executions: Any = session._session.wiring.executions

    def handle(question: str) -> str | None:
        search("London")
        with braintrust.start_span(name="step"):
            return answer(question, TOOLS)

    execution = executions.begin("workflow", "handle", {"question": "weather?"})
    executions.run(execution, handle, ("weather?",), {})


def left_open() -> None:
    with logging_to("Theirs").start_span(name="outer"):
        openai.OpenAI().chat.completions.create(messages=[{"role": "user", "content": "weather?"}], **ASK)


def looked_at_midway() -> None:
    def look(query: str) -> str:
        flush()
        return query

    with logging_to("Theirs").start_span(name="outer"):
        answer("weather?", {**TOOLS, "search": look})


def with_a_parent_of_its_own() -> None:
    with logging_to("Theirs").start_span(name="far away") as span:
        exported = span.export()
    with braintrust.parent_context(exported):
        answer("weather?", TOOLS)


def without_a_logger() -> None:
    answer("weather?", TOOLS)


def wrapped() -> None:
    logging_to("Theirs")
    answer("weather?", TOOLS, braintrust.wrap_openai(openai.OpenAI()))


def instrumented() -> None:
    logging_to("Theirs")
    braintrust.auto_instrument()
    answer("weather?", TOOLS)


def wrapped_inside_a_span() -> None:
    with logging_to("Theirs").start_span(name="outer"):
        answer("weather?", TOOLS, braintrust.wrap_openai(openai.OpenAI()))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print(json.dumps(waits))

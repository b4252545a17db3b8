"""A process that turns another tool and bttrace on and off, and asks a model in every state.

    python -m tests.neighbours.together NEIGHBOUR ORDER

ORDER names who is turned on or off, in turn: "ours,theirs,ours,theirs". It prints, for each state, what the model said and how
many spans of theirs and of ours each call left; and at the end whether the SDK is as it was.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import openai

import bttrace

ASKED: Any = [{"role": "user", "content": "hi"}]
JOURNALS = Path(os.environ["BTTRACE_JOURNAL_DIR"])
Switch = tuple[Callable[[], object], Callable[[], object], Callable[[], int]]
"""Turns a tool on, turns it off, and counts its spans."""


class Counting:
    """What ddtrace hands every trace to before it sends it."""

    def __init__(self) -> None:
        self.seen = 0

    def process_trace(self, trace: Any) -> None:
        self.seen += len([span for span in trace if span.name.startswith("openai")])


def ddtrace() -> Switch:
    counting = Counting()
    import_module("ddtrace.trace").tracer.configure(trace_processors=[counting])
    patch = import_module("ddtrace").patch
    unpatch = import_module("ddtrace.contrib.internal.openai.patch").unpatch
    return lambda: patch(openai=True), unpatch, lambda: counting.seen


def langfuse() -> Switch:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    keys = {"public_key": "pk", "secret_key": "sk", "base_url": "http://127.0.0.1:9"}
    import_module("langfuse").Langfuse(**keys, tracer_provider=provider)
    finished = exporter.get_finished_spans
    return lambda: import_module("langfuse.openai"), lambda: None, lambda: len(finished())


def ours() -> Switch:
    def count() -> int:
        assert bttrace.flush()
        return sum(len(file.read_text().splitlines()) for file in JOURNALS.glob("*.jsonl"))

    return lambda: bttrace.enable(exporter="local"), bttrace.disable, count


def main(neighbour: str, order: str) -> None:
    tools = {"theirs": globals()[neighbour](), "ours": ours()}
    client = openai.OpenAI(max_retries=0)
    before = parts()
    on: set[str] = set()
    for name in order.split(","):
        tools[name][name in on]()
        on ^= {name}
        counts = {tool: count() for tool, (_, _, count) in tools.items()}
        said = [plain(client), streamed(client)]
        left = {tool: count() - counts[tool] for tool, (_, _, count) in tools.items()}
        print(json.dumps([sorted(on), said, left["theirs"], left["ours"]]))
    print(json.dumps(parts() == before))


def plain(client: Any) -> str:
    return str(client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content)


def streamed(client: Any) -> str:
    chunks = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def parts() -> list[object]:
    """What of the SDK either tool changes."""
    base, completions = openai._base_client, openai.resources.chat.Completions
    places: Any = [
        (base.SyncAPIClient, "request"),
        (base.BaseClient, "_build_request"),
        (completions, "create"),
    ]
    return [id(vars(owner)[name]) for owner, name in (*places, (openai.Stream, "__stream__"))]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Which frameworks are tried, in which versions: those that the gates are said to hold on."""

from __future__ import annotations

import re

from tests.matrix.table import Row


def _row(name: str, suite: str, *requirements: str, quick: bool = False) -> Row:
    shown = tuple(re.split(r"[\[<=]", requirement)[0] for requirement in requirements)
    return Row(
        name,
        "",
        requirements,
        quick,
        f"tests/frameworks/test_{suite}.py",
        tuple(dict.fromkeys((*shown, "openai"))),
    )


_OF_THEN = ("openai<2", "anthropic==0.64.0", "opentelemetry-api<1.38")

ROWS = (
    _row("openai-agents", "openai_agents", "openai-agents==0.24.0"),
    _row("langchain", "langchain_core", "langchain-core==1.7.2", "langchain-openai", "langchain", quick=True),
    # What these allow of the SDKs themselves would be too new for them.
    _row("openai-agents-0.14", "openai_agents", "openai-agents==0.14.8", "openai<2.30"),
    _row("langchain-0.3", "langchain_core", "langchain-core==0.3.60", "langchain-openai<0.4"),
    _row("pydantic-ai-1", "pydantic_ai", "pydantic-ai-slim[openai,anthropic]==1.0.0", *_OF_THEN),
    _row("pydantic-ai", "pydantic_ai", "pydantic-ai-slim[openai,anthropic]==2.68.0"),
    _row("llama-index", "llama_index", "llama-index-core==0.14.25", "llama-index-llms-openai"),
    _row("smolagents", "smolagents", "smolagents[openai]==1.26.0"),
)

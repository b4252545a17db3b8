"""Which frameworks are tried, in which versions: those that the gates are said to hold on."""

from __future__ import annotations

from tests.matrix.table import Row


def _row(name: str, suite: str, *requirements: str, quick: bool = False) -> Row:
    shown = tuple(requirement.partition("==")[0].partition("[")[0] for requirement in requirements)
    return Row(name, "", requirements, quick, f"tests/frameworks/test_{suite}.py", (*shown, "openai"))


ROWS = (
    _row("openai-agents", "openai_agents", "openai-agents==0.24.0"),
    _row("langchain", "langchain_core", "langchain-core==1.7.2", "langchain-openai", "langchain", quick=True),
    _row("pydantic-ai", "pydantic_ai", "pydantic-ai-slim[openai,anthropic]==2.68.0"),
    _row("llama-index", "llama_index", "llama-index-core==0.14.25", "llama-index-llms-openai"),
    _row("smolagents", "smolagents", "smolagents[openai]==1.26.0"),
)

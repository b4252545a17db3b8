"""An on-call assistant: an async agent loop written by hand on a plain Anthropic client.

Usage: python anthropic_agent.py ["Why is checkout slow since lunch?"]
"""

from __future__ import annotations

import asyncio
import json
import sys

from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam, ToolUseBlock

MODEL = "claude-haiku-4-5"
MAX_ITERATIONS = 8
QUESTION = "Why is checkout slow since lunch, and what should I do about it?"
INSTRUCTIONS = (
    "You are on call with the engineers of a web shop. Find out what changed before you explain anything, "
    "follow the trail to the service that a slow one waits on, and end with one thing to do now."
)

STATUS: dict[str, dict[str, object]] = {
    "checkout": {"p95_ms": 2400, "error_rate": 0.004, "waits_on": "payments"},
    "payments": {"p95_ms": 2150, "error_rate": 0.011, "waits_on": None},
    "search": {"p95_ms": 90, "error_rate": 0.0, "waits_on": None},
}
DEPLOYS: dict[str, list[dict[str, str]]] = {
    "checkout": [{"version": "r512", "at": "Monday 10:20", "note": "new voucher form"}],
    "payments": [{"version": "r319", "at": "today 12:48", "note": "retry a declined card five times"}],
    "search": [],
}

SERVICE_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"service": {"type": "string", "description": "The short name, for example: search"}},
    "required": ["service"],
}
TOOLS: list[ToolParam] = [
    {"name": "service_status", "description": "Latency and errors now.", "input_schema": SERVICE_SCHEMA},
    {"name": "recent_deploys", "description": "What was deployed this week.", "input_schema": SERVICE_SCHEMA},
]


async def service_status(service: str) -> dict[str, object]:
    await asyncio.sleep(0.09)
    return {"service": service, **STATUS.get(service, {"status": "unknown"})}


async def recent_deploys(service: str) -> dict[str, object]:
    await asyncio.sleep(0.04)
    if service not in DEPLOYS:
        raise LookupError(f"{service} is not deployed from the main repository")
    return {"service": service, "deploys": DEPLOYS[service]}


async def tool_result(use: ToolUseBlock) -> ToolResultBlockParam:
    service = str(use.input.get("service", ""))
    try:
        match use.name:
            case "service_status":
                found = await service_status(service)
            case "recent_deploys":
                found = await recent_deploys(service)
            case unknown:
                raise LookupError(f"there is no tool called {unknown}")
    except LookupError as error:
        return {"type": "tool_result", "tool_use_id": use.id, "content": str(error), "is_error": True}
    return {"type": "tool_result", "tool_use_id": use.id, "content": json.dumps(found)}


async def converse(client: AsyncAnthropic, question: str) -> bool:
    """Prints the answer as it streams; false if the model was still asking for tools at the end."""
    messages: list[MessageParam] = [{"role": "user", "content": question}]
    for _ in range(MAX_ITERATIONS):
        async with client.messages.stream(
            model=MODEL,
            max_tokens=1024,
            system=[{"type": "text", "text": INSTRUCTIONS, "cache_control": {"type": "ephemeral"}}],
            tools=TOOLS,
            messages=messages,
        ) as stream:
            async for text in stream.text_stream:
                print(text, end="", flush=True)
            message = await stream.get_final_message()
        print()
        if message.stop_reason != "tool_use":
            return True
        messages.append({"role": "assistant", "content": message.content})
        uses = [block for block in message.content if block.type == "tool_use"]
        messages.append({"role": "user", "content": await asyncio.gather(*map(tool_result, uses))})
    return False


async def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else QUESTION
    print(f"> {question}")
    async with AsyncAnthropic() as client:
        if not await converse(client, question):
            sys.exit("I could not find the cause; please call a human.")


if __name__ == "__main__":
    asyncio.run(main())

"""A travel assistant: an agent loop written by hand on a plain OpenAI client.

Usage: python openai_agent.py ["Porto or Faro this weekend, starting from Lisbon?"]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCallParam as ToolCall
from openai.types.chat import ChatCompletionMessageParam as Message
from openai.types.chat import ChatCompletionToolParam as ToolSchema

MODEL = "gpt-5.4-mini"
MAX_ITERATIONS = 8
TOKEN_BUDGET = 20_000
QUESTION = "Porto or Faro this weekend, starting from Lisbon? I want sun, and I do not drive."
INSTRUCTIONS = (
    "You help people to plan short trips by train in Portugal. Look up the weather of every place "
    "before you recommend one, and name a train that really runs. Answer in two or three sentences."
)

FORECASTS = {"Lisbon": ("cloudy", 21), "Porto": ("rainy", 16), "Faro": ("sunny", 24)}
TRAINS = {
    ("Lisbon", "Faro"): [("08:32", "11:33", 23.9), ("14:02", "17:25", 19.5)],
    ("Lisbon", "Porto"): [("07:30", "10:39", 32.7), ("09:39", "12:56", 25.8)],
}


def weather(city: str) -> dict[str, object]:
    if city not in FORECASTS:
        raise LookupError(f"there is no forecast for {city}")
    sky, high = FORECASTS[city]
    return {"city": city, "sky": sky, "high_c": high}


def find_trains(origin: str, destination: str) -> dict[str, object]:
    time.sleep(0.12)  # the timetable is not a fast one
    rows = TRAINS.get((origin, destination), [])
    return {"trains": [{"departs": row[0], "arrives": row[1], "fare_eur": row[2]} for row in rows]}


TOOLS: dict[str, Callable[..., dict[str, object]]] = {"weather": weather, "find_trains": find_trains}


def tool_schema(name: str, description: str, *parameters: str) -> ToolSchema:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    schema: dict[str, object] = {"type": "object", "properties": properties, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOL_SCHEMAS = [
    tool_schema("weather", "The forecast for the weekend in one city.", "city"),
    tool_schema("find_trains", "Direct trains on Saturday morning and afternoon.", "origin", "destination"),
]


def run_tool(call: ToolCall) -> str:
    try:
        function = call["function"]
        result = TOOLS[function["name"]](**json.loads(function["arguments"]))
    except (LookupError, TypeError, ValueError) as error:
        result = {"error": str(error)}
    return json.dumps(result)


def ask_model(client: OpenAI, messages: list[Message]) -> tuple[str, list[ToolCall], int]:
    """Prints the answer as it streams; gives its text, the tool calls and the tokens spent."""
    text, calls, spent = "", dict[int, ToolCall](), 0
    stream = client.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=TOOL_SCHEMAS,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.usage:
            spent = chunk.usage.total_tokens
        for choice in chunk.choices:
            if choice.delta.content:
                text += choice.delta.content
                print(choice.delta.content, end="", flush=True)
            for delta in choice.delta.tool_calls or []:
                empty: ToolCall = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                call = calls.setdefault(delta.index, empty)
                call["id"] += delta.id or ""
                if delta.function:
                    call["function"]["name"] += delta.function.name or ""
                    call["function"]["arguments"] += delta.function.arguments or ""
    if text:
        print()
    return text, [calls[index] for index in sorted(calls)], spent


def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else QUESTION
    print(f"> {question}")
    messages: list[Message] = [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": question},
    ]
    client, budget = OpenAI(), TOKEN_BUDGET
    for _ in range(MAX_ITERATIONS):
        text, calls, spent = ask_model(client, messages)
        budget -= spent
        if not calls:
            return
        if budget < 0:
            break
        messages.append({"role": "assistant", "content": text or None, "tool_calls": calls})
        for call in calls:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": run_tool(call)})
    sys.exit("That took too long; please ask something simpler.")


if __name__ == "__main__":
    main()

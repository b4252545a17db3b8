"""The stand-in for a model: the next reply, decided by the transcript alone.

Owns two stories, one for each agent beside this file, recognised by the tools that are offered. Knows
nothing of HTTP or of any wire format, keeps no state, and knows none of the facts: they all come from the
question and from the tools' results.

transcript: one question with the tool results that came back since.
reply: what the model says and which tools it asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

Json = dict[str, object]


@dataclass(frozen=True)
class ToolRequest:
    name: str
    arguments: Json


@dataclass(frozen=True)
class ToolResult:
    request: ToolRequest
    text: str

    @property
    def facts(self) -> Json:
        """The result as an object; empty if it is an error or no JSON object."""
        try:
            value = json.loads(self.text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) and "error" not in value else {}


@dataclass
class Transcript:
    """What was said, told in order by the protocol that has read it."""

    tools: frozenset[str]
    question: str = ""
    results: list[ToolResult] = field(default_factory=list)
    _requests: dict[str, ToolRequest] = field(default_factory=dict)

    def asks(self, question: str) -> None:
        self.question = question
        self.results.clear()

    def requests(self, call_id: str, name: str, arguments: Json) -> None:
        self._requests[call_id] = ToolRequest(name, arguments)

    def returns(self, call_id: str, text: str) -> None:
        """Ignores the result of a call that the transcript does not contain."""
        if call_id in self._requests:
            self.results.append(ToolResult(self._requests[call_id], text))

    def results_of(self, tool: str) -> list[ToolResult]:
        return [result for result in self.results if result.request.name == tool]


@dataclass(frozen=True)
class Reply:
    text: str = ""
    requests: Sequence[ToolRequest] = ()


def next_reply(transcript: Transcript) -> Reply:
    if {"weather", "find_trains"} <= transcript.tools:
        return _trip(transcript)
    if {"service_status", "recent_deploys"} <= transcript.tools:
        return _incident(transcript)
    if transcript.results:
        return Reply("The tools say: " + "; ".join(result.text for result in transcript.results))
    return Reply(f"You ask: “{transcript.question}” I have no tool for that, so this sentence must do.")


def _trip(transcript: Transcript) -> Reply:
    """Weather of both cities, then the trains to the better one, then advice."""
    asked = re.search(r"\b([A-Z]\w+) or ([A-Z]\w+)", transcript.question)
    start = re.search(r"\bfrom ([A-Z]\w+)", transcript.question)
    cities = asked.groups() if asked else ("Porto", "Faro")
    origin = start.group(1) if start else "Lisbon"

    forecasts = transcript.results_of("weather")
    if not forecasts:
        return Reply(requests=[ToolRequest("weather", {"city": city}) for city in cities])
    known = [forecast.facts for forecast in forecasts if forecast.facts]
    if not known:
        return Reply("I found no forecast for either place, so I would rather not recommend one.")
    best = max(known, key=lambda facts: facts.get("sky") == "sunny")

    searches = transcript.results_of("find_trains")
    if not searches:
        journey: Json = {"origin": origin, "destination": best.get("city")}
        return Reply(requests=[ToolRequest("find_trains", journey)])
    advice = f"Go to {best.get('city')}: it will be {best.get('sky')} with up to {best.get('high_c')} °C"
    for other in forecasts:
        if other.facts != best:
            outlook = f"is {other.facts.get('sky')}" if other.facts else "has no forecast"
            advice += f", while {other.request.arguments.get('city')} {outlook}"
    trains = searches[-1].facts.get("trains")
    if not isinstance(trains, list) or not trains:
        return Reply(f"{advice}. I found no direct train from {origin}, though.")
    train = trains[0]
    return Reply(
        f"{advice}. The {train['departs']} train from {origin} arrives at {train['arrives']} and costs "
        f"{train['fare_eur']} €. Have a good trip!"
    )


def _incident(transcript: Transcript) -> Reply:
    """Status and deploys of the service, then the deploys of the one it waits on, then the cause."""
    asked = re.search(r"\bis (?:the )?([a-z][\w-]*)", transcript.question)
    service = asked.group(1) if asked else "checkout"

    statuses = transcript.results_of("service_status")
    if not statuses:
        subject: Json = {"service": service}
        requests = [ToolRequest("service_status", subject), ToolRequest("recent_deploys", subject)]
        return Reply(f"Let me see how {service} is doing and what changed there.", requests)

    status, deploys = statuses[-1].facts, transcript.results_of("recent_deploys")
    upstream = status.get("waits_on")
    if not isinstance(upstream, str):
        if "p95_ms" not in status:
            return Reply(f"I can see no service called {service}. Which one do you mean?")
        return Reply(f"{service} waits on no other, and its p95 is {status['p95_ms']} ms. Watch it for now.")
    if all(search.request.arguments.get("service") != upstream for search in deploys):
        request = ToolRequest("recent_deploys", {"service": upstream})
        return Reply(f"{service} waits on {upstream}. I will look at what was deployed there.", [request])
    found = deploys[-1].facts.get("deploys")
    if not isinstance(found, list) or not found:
        return Reply(f"{service} waits on {upstream}, where nothing was deployed. Page its owners.")
    deploy = found[0]
    return Reply(
        f"{service} has a p95 of {status.get('p95_ms')} ms because it waits on {upstream}, where "
        f"{deploy['version']} ({deploy['note']}) went out {deploy['at']}. Roll that back."
    )

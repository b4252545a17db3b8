"""Turning what is known of a call into a span. PURE.

Owns the names and places of what a span carries (metrics, metadata, context). Knows no
provider by name: an endpoint's row says where its values stand. A value that is absent,
or of the wrong type, gives no field: missing is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from math import nan

from ..model import Caller, Facts, Json, Metric, Span
from ..surroundings.correlation import NOTHING, Correlation
from ..values import at, json_object, number, objects, text
from .media import attached
from .style import Place, Style

# Everruns' names for the same counts; fields.md keeps both.
_ALSO: Mapping[Metric, Metric] = {
    "prompt_cached_tokens": "cache_read_tokens",
    "prompt_cache_creation_tokens": "cache_creation_tokens",
}
_TICKS, _TICK = "_in_usd_ticks", 1e-10  # how the path of a cost in another unit ends, and that in USD
_KIND = 100  # characters of the code of an error
_CONTENT = ("stop", "response_format", "context_management")  # parameters that hold words of the application
_CREATION_WHOLE: tuple[Metric, ...] = ("prompt_cache_creation_tokens", "cache_creation_tokens")
_CREATION_SPLIT = frozenset[Metric]({"prompt_cache_creation_5m_tokens", "prompt_cache_creation_1h_tokens"})


def generation(
    facts: Facts, place: Place, style: Style, correlation: Correlation = NOTHING, name: str | None = None
) -> Span:
    """Gives the span of one call; `correlation` is what was said of it, and `name` how it is to be called."""
    said = style.capture_content
    endpoint = facts.endpoint
    model = text(facts.response.get("model")) or text(facts.request.get("model"))
    metrics = _metrics(facts, style)
    return Span(
        row_id=place.row_id,
        span_id=place.span_id,
        root_span_id=place.root_span_id,
        parents=place.parents,
        name=name or _name(facts, model, style),
        type=endpoint.type,
        created=timestamp(facts.started),
        input=attached(endpoint.input(facts.request)) if said else None,
        output=attached(_output(facts)) if said else None,
        error=_error(facts, said=said),
        metadata=correlated(_metadata(facts, model, said=said), correlation),
        metrics=metrics,
        context=context(facts.sdk, facts.caller, style),
        tags=correlation.tags,
        cost=_cost(facts, metrics, style),
    )


def timestamp(seconds: float) -> str:
    """Gives seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _name(facts: Facts, model: str | None, style: Style) -> str:
    endpoint = facts.endpoint
    if style.span_names == "braintrust":
        streamed = endpoint.braintrust_streamed_name if facts.stream_end else None
        return streamed or endpoint.braintrust_name
    if endpoint.type != "llm":
        return endpoint.api
    return f"llm.generation ({model})" if model else "llm.generation"


def _output(facts: Facts) -> object:
    paths = facts.endpoint.output
    if not facts.response:
        return facts.body
    if callable(paths):
        return paths(facts.response)
    if len(paths) == 1:
        return at(facts.response, paths[0])
    return {path: value for path in paths if (value := at(facts.response, path)) is not None} or None


def _error(facts: Facts, *, said: bool) -> str | None:
    """Gives the exception's type and message, or those of an error that came as an answer."""
    kind, message = facts.error_type, facts.error_message
    if kind is None:
        told = json_object(facts.endpoint.failure(facts.response))
        if not told:
            return None
        kind = str(told.get("code") or told.get("type") or "error")[:_KIND]
        message = text(told.get("message"))
    return f"{kind}: {message}" if said and message else kind


def _metrics(facts: Facts, style: Style) -> dict[Metric, float]:
    found: dict[Metric, float] = {
        "start": facts.started,
        "end": facts.started + facts.duration,
    }
    if facts.endpoint.type == "llm":
        found["duration_ms"] = round(facts.duration * 1000, 3)
    if facts.time_to_first_token is not None:
        found["time_to_first_token"] = facts.time_to_first_token
    if facts.attempts > 1:
        found["retries"] = facts.attempts - 1
    for metric, paths in facts.endpoint.usage.items():
        if metric == "estimated_cost":
            found.update(_told_cost(facts.response, paths))
            continue
        count = _count(facts.response, paths)
        if count is not None:
            found[metric] = count
            if metric in _ALSO:
                found[_ALSO[metric]] = count
    if style.span_names == "braintrust" and found.keys() & _CREATION_SPLIT:
        # Its specification wants the parts or the whole of it, never both (`features/prompt-cache.md`).
        for metric in _CREATION_WHOLE:
            found.pop(metric, None)
    return found


def _count(response: Json, paths: Sequence[str]) -> int | None:
    """Gives a sum of counts; nothing without the first of them."""
    first, *others = paths
    count = _counted(at(response, first))
    if count is not None:
        for path in others:
            count += _counted(at(response, path)) or 0
    return count


def _counted(value: object) -> int | None:
    """Gives a count as an integer, because Braintrust refuses rows with others."""
    found = number(value)
    return int(found) if found is not None and found >= 0 and found == int(found) else None


def _told_cost(response: Json, paths: Sequence[str]) -> dict[Metric, float]:
    """Gives what the provider says that the call cost, in USD."""
    for path in paths:
        cost = number(at(response, path))
        if cost is not None and cost >= 0:
            return {"estimated_cost": cost * _TICK if path.endswith(_TICKS) else cost}
    return {}


def _cost(facts: Facts, metrics: Mapping[Metric, float], style: Style) -> float | None:
    """Gives what a call cost: as its provider says, else as computed; not a number if neither is known."""
    if style.price is None or not (facts.endpoint.usage and facts.response):
        return None
    told = metrics.get("estimated_cost")
    found = style.price(facts, metrics) if told is None else told
    return nan if found is None else found


def _metadata(facts: Facts, model: str | None, *, said: bool) -> Json:
    endpoint = facts.endpoint
    found: Json = {"provider": facts.provider, "model": model, "api": endpoint.api}
    request = facts.request
    for name, paths in endpoint.parameters.items():
        for path in paths:
            if path not in request and "." not in path:
                continue  # as nearly all
            value = at(request, path)
            if value is not None:
                found[name] = value
                break
    for name, path in endpoint.details.items():
        found[name] = at(facts.response, path) or found.get(name)
    found["tool_choice"] = endpoint.tool_choice(found.get("tool_choice"))
    tools = facts.request.get("tools")
    if tools:
        converted = endpoint.tools(tools)
        found["tools"] = converted if said else _tool_names(converted)
    if not said:
        for name in _CONTENT:
            found.pop(name, None)
    found["finish_reason"] = endpoint.finish_reason(facts.response)
    found["request_id"] = facts.request_id
    found["stream_end"] = facts.stream_end
    if facts.time_to_first_text != facts.time_to_first_token:  # one that is the same says nothing more
        found["time_to_first_text"] = facts.time_to_first_text
    return found


def correlated(metadata: Json, correlation: Correlation) -> Json:
    """Gives a span's metadata with what was said around it, which replaces nothing that is known."""
    found = {} if correlation is NOTHING else correlation.fields()
    found.update((name, value) for name, value in metadata.items() if value is not None)
    return found


def _tool_names(tools: object) -> list[object]:
    return [
        text(json_object(tool.get("function")).get("name")) or text(tool.get("name")) or tool.get("type")
        for tool in objects(tools)
    ]


def context(instrumentation: str, caller: Caller | None, style: Style) -> Json:
    """Gives who tells of a span, and the application's frame that it came from, if it may be told."""
    origin: Json = {
        "name": "bttrace",
        "version": style.origin,
        "instrumentation": {"name": f"bttrace.{instrumentation}"},
    }
    if style.environment:
        origin["environment"] = style.environment
    told: Json = {"span_origin": origin}
    if caller is not None and style.capture_content:
        told["caller_functionname"] = caller.function
        told["caller_filename"] = caller.file
        told["caller_lineno"] = caller.line
    return told

"""The vocabulary: spans, what is known of a call, and how an endpoint is described. PURE.

Words that are used here and never varied:

- *call*: one invocation of an SDK method, with its retries and the reading of its stream;
- *attempt*: one HTTP request inside a call;
- *chunk*: one item of a streamed response;
- *first token*: the first chunk with generated content (text, reasoning, refusal, audio
  or tool-call content), not a role-only chunk, not the start of a message, not a ping;
- *first text*: the first chunk with words of the answer itself: text, a refusal, or what is
  said in audio; not reasoning, not sound, not tool-call content;
- *fold*: putting chunks together into the response that the call would have given unstreamed;
- *connection*: one websocket, on which the application asks for responses and gets them in *events*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from math import isnan
from types import CodeType
from typing import Literal, Protocol

from .classes import dataclass
from .evidence import Bounds, Compaction, Conversation, Moment
from .terms import Terms
from .values import json_object

Json = dict[str, object]
Path = tuple[str | int, ...]  # names and indexes of one place in JSON

SpanType = Literal["llm", "task", "tool"]
StreamEnd = Literal["exhausted", "closed", "failed", "dropped"]
Metric = Literal[
    "start",
    "end",
    "duration_ms",
    "time_to_first_token",
    "prompt_tokens",
    "completion_tokens",
    "tokens",
    "prompt_cached_tokens",
    "cache_read_tokens",
    "prompt_cache_creation_tokens",
    "cache_creation_tokens",
    "prompt_cache_creation_5m_tokens",
    "prompt_cache_creation_1h_tokens",
    "completion_reasoning_tokens",
    "prompt_audio_tokens",
    "completion_audio_tokens",
    "completion_image_tokens",
    "estimated_cost",
    "retries",
]


class Fold(Protocol):
    """Puts the chunks of one stream together."""

    def add(self, chunk: object) -> None:
        """Takes the next chunk: a mapping, or a model object of the SDK."""

    def response(self) -> Json:
        """Gives the response so far, in the shape of the one that is not streamed."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Binary content that a call took or gave; sinks keep it apart from the text of the row."""

    content_type: str
    data: bytes = field(repr=False)
    filename: str = "attachment"


def _same(tools: object) -> object:
    return tools


def _unknown(_response: Json) -> None:
    return None


def _error(response: Json) -> object:
    return response.get("error")


def _never(_chunk: object) -> bool:
    return False


def _no_moment(_chunk: object) -> Moment | None:
    return None


def _no_piece(_chunk: Json) -> Path | None:
    return None


def _none(_request: Json, _response: Json) -> tuple[Compaction, ...]:
    return ()


def _as_it_came(response: Json) -> Json:
    return response


def _no_terms(_request: Json, _response: Json) -> Terms | None:
    return None


class _Unfolded:
    """The fold of an endpoint that does not stream."""

    def add(self, chunk: object) -> None:
        """Passes a chunk over."""

    def response(self) -> Json:
        """Gives nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of what is known about a provider's API: which requests it means, and what they say.

    `path` may hold `{placeholders}`; what stands there is part of the request as the rules
    below see it. Paths of values are dotted, as `values` reads them, into the request (`model`,
    `parameters`) or the response (`output`, `usage`, `details`). A metric is the sum of its
    paths that are there, and absent when the first of them is. `input` gives the span's input
    from the request. `output` is one path, several whose values make an object, or a
    function of the response. An endpoint without `fold` does not stream. Without
    `is_first_text`, its first token is its first text. A cost is the first of its paths that is there.
    `terms` gives, from request and response, how it is billed; `None` where no price list tells.

    `normal` gives a response of a shape of its own as OpenAI's; the paths lead into that.
    `failure` gives, from a response, the error that it tells, an object with a code and a message.
    `settles` gives, from a response, the id of work begun by an earlier call that is now done.
    A row that `polls` asks for such work: only the first answer that settles it is a span.
    `conversation` reads it as a part of an agent's loop, if it can be one; `compactions` gives, from
    request and response, what was done to the context, and `moment` when what a chunk tells of was.
    `piece` gives where a chunk has the one string that it continues: to fold several that differ in it
    alone is to fold one with all their strings, joined.
    `foreign` are names of the request that are keys of a trace elsewhere (`trace_keys`), and not here.
    `request_model`, `response_model` and `chunk_model` are the SDK's own, for the tests.
    """

    path: str
    api: str
    braintrust_name: str
    input: Callable[[Json], object]
    output: tuple[str, ...] | Callable[[Json], object]
    method: str = "post"
    type: SpanType = "llm"
    braintrust_streamed_name: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    chunk_model: str | None = None
    usage: Mapping[Metric, tuple[str, ...]] = field(default_factory=dict)
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    terms: Callable[[Json, Json], Terms | None] = _no_terms
    finish_reason: Callable[[Json], str | None] = _unknown
    failure: Callable[[Json], object] = _error
    tools: Callable[[object], object] = _same
    tool_choice: Callable[[object], object] = _same
    is_first_token: Callable[[object], bool] = _never
    is_first_text: Callable[[object], bool] | None = None
    fold: Callable[[], Fold] = _Unfolded
    normal: Callable[[Json], Json] = _as_it_came
    settles: Callable[[Json], str | None] = _unknown
    polls: bool = False
    conversation: Conversation | None = None
    compactions: Callable[[Json, Json], tuple[Compaction, ...]] = _none
    moment: Callable[[object], Moment | None] = _no_moment
    piece: Callable[[Json], Path | None] = _no_piece
    foreign: frozenset[str] = frozenset()


class Dialogue(Protocol):
    """Keeps up with what is said on one connection, as far as a later request depends on it."""

    def hear(self, event: Json) -> None:
        """Takes the next event that the application received."""

    def request(self, asked: Json) -> Json:
        """Gives what a response is asked with; `asked` is the event that asked for it, empty if none did."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A kind of connection: which classes of the SDK are one, by module, and what its events mean.

    The application `asks` for a response by an event of that type; one that `begins` and one
    of those that `ends` are its first and last. Event types that end in `pieces` are neither.
    `endpoint` reads what the `dialogue`, made with the query of the connection's address,
    gives as the request; it folds the events between. `lanes` are classes, by module, that
    share a connection among several senders.
    """

    classes: Mapping[str, tuple[str, ...]]
    endpoint: Endpoint
    dialogue: Callable[[Mapping[str, str]], Dialogue]
    asks: str
    begins: str
    ends: frozenset[str]
    pieces: str
    lanes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """An SDK of the Stainless family: the package it is imported as, and its endpoints.

    `stream_helpers` are classes, by their module, that wrap a stream and whose `close` goes
    past the stream's own, to the response that they keep as `_response`.
    """

    sdk: str
    name: str
    endpoints: tuple[Endpoint, ...]
    stream_helpers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """The application's frame that made a call."""

    function: str
    file: str
    line: int

    @classmethod
    def of(cls, found: tuple[CodeType, int] | None) -> Caller | None:
        """Gives the frame that a code object and a line are of."""
        return None if found is None else cls(found[0].co_name, found[0].co_filename, found[1])


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """What is known of one finished call, free of any SDK.

    `started` is seconds since the epoch; `duration` and the times to the first token and to
    the first text are seconds.
    `request` and `response` are parsed JSON; a response that is not JSON is `body`. `moments` are
    of what happened while it was streamed. `session` is what the request's `x-session-id` header says.
    """

    provider: str
    sdk: str
    endpoint: Endpoint
    request: Json
    response: Json
    started: float
    duration: float
    time_to_first_token: float | None = None
    time_to_first_text: float | None = None
    attempts: int = 1
    stream_end: StreamEnd | None = None
    body: str | Attachment | None = None
    error_type: str | None = None
    error_message: str | None = None
    request_id: str | None = None
    caller: Caller | None = None
    moments: Mapping[str, Bounds] = field(default_factory=dict)
    session: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Span:
    """One span, ready to become a Braintrust log row. Times are seconds since the epoch.

    One without an `end` among its metrics is still open. One that `merges` was sent before; one that is
    `shared` may have been by another process, of which nothing is to be lost.
    `cost` is what it came to in USD, by its provider's word or by a price table, with all that it
    stands for; not a number where that is not known, `None` where nobody asked. `content` is JSON of what
    is `told`, if somebody has made it, who then has seen that all of it may be told.
    """

    row_id: str
    span_id: str
    root_span_id: str
    parents: tuple[str, ...]
    name: str
    type: SpanType
    created: str
    metrics: Mapping[Metric, float]
    metadata: Json
    context: Json
    input: object = None
    output: object = None
    error: str | None = None
    tags: tuple[str, ...] = field(default=())
    merges: bool = False
    shared: bool = False
    cost: float | None = None
    content: str = ""

    def with_content(self, content: str) -> Span:
        """Gives the span itself with what it tells as JSON. For who has it first: a copy costs more."""
        object.__setattr__(self, "content", content)
        return self

    def row(self) -> Json:
        """Gives the span as a log row of Braintrust's API; absent fields are left out."""
        return {**self.placed(), **self.told()}

    def placed(self) -> Json:
        """Gives what of the row says where, what and how long the span was."""
        row: Json = {
            "id": self.row_id,
            "span_id": self.span_id,
            "root_span_id": self.root_span_id,
            "span_attributes": {"name": self.name, "type": self.type},
            "created": self.created,
            "metrics": dict(self.metrics),
        }
        if self.parents:
            row["span_parents"] = list(self.parents)
        if self.merges or self.shared:
            row["_is_merge"] = True
        return row

    def told(self) -> Json:
        """Gives the rest of the row, in which anything at all may stand."""
        told: Json = {"input": self.input, "output": self.output, "error": self.error}
        row = {name: value for name, value in told.items() if value is not None}
        if self.tags:
            row["tags"] = list(self.tags)
        return {**row, "metadata": self.metadata, "context": self.context}

    def priced_row(self) -> Json:
        """Gives the row with what was computed of its cost, for readers who put no prices on tokens.

        Braintrust does so itself: with this row it would have a second, maybe contradictory estimate.
        As with counts, sums stand in the metadata.
        """
        row = self.row()
        if self.cost is None or isnan(self.cost):
            return row
        if self.type == "llm":
            return {**row, "metrics": {**self.metrics, "estimated_cost": self.cost}}
        usage = {**json_object(self.metadata.get("usage")), "estimated_cost": self.cost}
        return {**row, "metadata": {**self.metadata, "usage": usage}}

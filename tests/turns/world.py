"""Agents at work: each carries out its plan, tells the tracker what a seam would see, and the oracle what it did.

Everything takes one second. Agents are generators that yield after each event, so that theirs
can come in any order that their causes allow.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bttrace.model import Metric
from bttrace.testing import CountedIds
from bttrace.turns import Failure, Origin, Outcome, Run, Turns
from bttrace.turns.steps import Step
from tests.turns.conversations import Called, Returned, Wire
from tests.turns.oracle import Json, Node, TrueCall, TrueIteration, TrueTurn
from tests.turns.plans import NAMES, AgentPlan, CallPlan, IterationPlan, TryPlan, TurnPlan

Work = Iterator[None]


@dataclass(eq=False)
class Execution:
    """One observed execution, as the oracle knows it."""

    node: Node
    task: Node | None = None


@dataclass(eq=False)
class World:
    """All that happens."""

    random: Random
    turns: Turns = field(default_factory=lambda: Turns(CountedIds()))
    now: float = 0.0
    count: int = 0
    roots: list[Node] = field(default_factory=list)
    true_turns: list[TrueTurn] = field(default_factory=list)
    hanging: list[tuple[Execution, TrueTurn]] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    generations: list[Node] = field(default_factory=list)
    placed: dict[int, tuple[str, tuple[str, ...], str]] = field(default_factory=dict)

    def tick(self) -> float:
        """Gives the time of the next event."""
        self.now += 1.0
        return self.now

    def number(self) -> int:
        """Gives a number that no other thing has."""
        self.count += 1
        return self.count

    def collect(self) -> None:
        """Takes the steps that changed; a new one's parent must be known."""
        for step in self.turns.changes():
            for parent in step.place.parents:
                assert parent in self.steps, f"{step.name} was told of before what it stands in"
            self.steps[step.place.span_id] = step

    def run(self, plans: tuple[AgentPlan, ...]) -> None:
        """Has all agents work until they are done, and ends the world."""
        for _ in self.mixed([Agent(self, plan).work() for plan in plans]):
            self.collect()
        self.turns.abandon()
        self.collect()
        for execution, turn in self.hanging:
            turn.touch(self.now)
            for node in (execution.node, execution.task):
                if node is not None:
                    node.end = self.now
                    node.metadata["status"] = "abandoned"
        for turn in self.true_turns:
            turn.finish()

    def mixed(self, works: list[Work]) -> Work:
        """Does several works at once, one event at a time, in any order."""
        while works:
            work = works[self.random.randrange(len(works))] if len(works) > 1 else works[0]
            try:
                next(work)
            except StopIteration:
                works.remove(work)
            else:
                yield


@dataclass(eq=False)
class Generation:
    """One call of a model at work."""

    key: int
    turn: TrueTurn
    iteration: TrueIteration


@dataclass(eq=False)
class Agent:
    """One conversation, perhaps within an execution."""

    world: World
    plan: AgentPlan
    within: object = None
    around: Execution | None = None
    late: list[Work] = field(default_factory=list)
    brought: list[TrueCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wire = Wire(self.plan.way, f"conv-{self.world.number()}")
        self.origin = Origin(within=self.within)

    def work(self) -> Work:
        """Carries out the plan."""
        for turn in self.plan.turns:
            if self.plan.loner:
                yield from self._loner()
            if turn.bare_before:
                yield from self._bare()
            goes_on = yield from self._turn(turn)
            if not goes_on:
                break
        yield from self.world.mixed(self.late)

    # Where things stand.

    def _parent(self, at: float, prompt: str) -> list[Node]:
        """Gives where a model call of no turn stands: in the task of a tool, or by itself."""
        if self.around is None:
            return self.world.roots
        tool = self.around.node
        if self.around.task is None:
            name = tool.metadata["tool_name"]
            self.around.task = tool.add(Node(f"task:{name}", at, input=prompt))
        return self.around.task.children

    # Things that happen beside a turn.

    def _loner(self) -> Work:
        """Runs a tool that nobody asked for."""
        key, at = ("loner", self.world.number()), self.world.tick()
        arguments = {"alone": self.world.number()}
        self.world.turns.start(key, at, Run("tool", "search", arguments), self.origin)
        metadata = {"tool_name": "search", "timing": "observed", "status": "success"}
        node = Node("tool.call (search)", at, None, arguments, "alone", metadata=metadata)
        (self.world.roots if self.around is None else self.around.node.children).append(node)
        yield
        node.end = self.world.tick()
        self.world.turns.stop(key, node.end, "alone", None)
        yield

    def _bare(self) -> Work:
        """Makes a call that offers no tools."""
        world = self.world
        key, at, prompt = world.number(), world.tick(), f"bare {world.number()}"
        wire = Wire(self.plan.way, f"conv-{world.number()}")
        wire.say(prompt)
        siblings = self._parent(at, prompt)
        world.turns.begin(key, at, wire.reader.asked(wire.request(offers=False)), self.origin)
        place, _ = world.turns.place(key)
        yield
        siblings.append(_generation(key, at, world.tick()))
        answer = wire.reader.answer(wire.response(f"resp-{key}", "bare", ()))
        world.turns.end(key, world.now, Outcome(answer, None, {"tokens": 1}))
        world.placed[key] = (place.span_id, place.parents, place.root_span_id)
        yield

    # Turns.

    def _turn(self, plan: TurnPlan) -> Generator[None, None, bool]:
        prompt = f"prompt {self.world.number()}"
        self.wire.say(prompt)
        turn: TrueTurn | None = None
        for iteration in plan.iterations:
            turn, brings = yield from self._iterate(turn, prompt, iteration)
            if not brings:
                return False
        if plan.end == "abandoned":
            return False
        number = 1 if turn is None else len(turn.iterations) + 1
        offers = plan.offers_last or number == 1
        for other in plan.tries:
            yield from self._try(other, turn, prompt, number, offers=offers)
        one = yield from self._begin(turn, prompt, number, offers=offers)
        failure: Failure | None = None if plan.end == "completed" else plan.end
        text = f"answer {self.world.number()}"
        response = self.wire.response(f"resp-{one.key}", text, ())
        yield from self._end(one, response, [], failure)
        if failure is None:
            self.wire.take(response)
        return True

    def _iterate(
        self, turn: TrueTurn | None, prompt: str, plan: IterationPlan
    ) -> Generator[None, None, tuple[TrueTurn, bool]]:
        number = 1 if turn is None else len(turn.iterations) + 1
        for other in plan.tries:
            if not other.at_once:
                yield from self._try(other, turn, prompt, number)
        one = yield from self._begin(turn, prompt, number)
        beside = [self._try(other, turn, prompt, number) for other in plan.tries if other.at_once]
        calls, asked = self._asked(plan, one)
        response = self.wire.response(f"resp-{one.key}", None, asked)
        whole = len(asked)
        heard = whole if plan.overtaken else min(plan.heard, whole - 1) if plan.heard is not None else None
        if heard is not None:
            cut = min(heard, whole - 1)
            told = self.wire.response(f"resp-{one.key}", None, asked, cut if heard < whole else None)
            self.world.turns.hear(one.key, self.world.tick(), self.wire.reader.answer(told))
            one.iteration.ask(self.world.now, calls[: cut + 1])
            yield
        ready = whole if plan.overtaken else heard or 0 if plan.eager else 0
        eager = [
            self._execute(call, part, one) for call, part in zip(calls[:ready], plan.calls, strict=False)
        ]
        ending = self._end(one, response, calls, None)
        if plan.overtaken:
            self.late.append(ending)
            yield from self.world.mixed([*eager, *beside])
        else:
            yield from self.world.mixed([*eager, self._first(ending), *beside])
            rest = zip(calls[ready:], plan.calls[ready:], strict=True)
            yield from self.world.mixed([self._execute(call, part, one) for call, part in rest])
        self.wire.take(response)
        brought = [
            (call, part) for call, part in zip(calls, plan.calls, strict=True) if not self._dropped(part)
        ]
        if not brought:
            return one.turn, False
        order = list(brought)
        if self.plan.ids != "missing":
            self.world.random.shuffle(order)
        results = [_result(call, part, asked[calls.index(call)]) for call, part in order]
        if plan.stray and self.plan.ids == "unique":
            results.insert(0, Returned(f"stray-{self.world.number()}", "search", "who asked?"))
        self.wire.bring(results)
        for (call, part), _ in zip(order, results, strict=False):
            call.content = f"result of {call.arguments}"
            call.is_error = part.is_error and self.plan.way not in ("chat", "chat cut")
        self.brought = [call for call, _ in order]
        return one.turn, True

    def _dropped(self, part: CallPlan) -> bool:
        return part.dropped and self.plan.ids != "missing"

    def _first(self, work: Work) -> Work:
        yield from work

    def _asked(self, plan: IterationPlan, one: Generation) -> tuple[list[TrueCall], list[Called]]:
        calls: list[TrueCall] = []
        asked: list[Called] = []
        for position, part in enumerate(plan.calls):
            twin = part.twin and position > 0
            name = calls[-1].name if twin else part.name
            arguments = calls[-1].arguments if twin else {"q": self.world.number()}
            identity = {
                "unique": f"call-{self.world.number()}",
                "numbered": f"call_{position}",
                "missing": None,
            }[self.plan.ids]
            asked.append(Called(identity, name, arguments))
            calls.append(TrueCall(identity or f"function:{name}", name, arguments, one.iteration))
        return calls, asked

    # Calls of the model.

    def _begin(
        self, turn: TrueTurn | None, prompt: str, number: int, *, offers: bool = True
    ) -> Generator[None, None, Generation]:
        world = self.world
        key, at = world.number(), world.tick()
        if turn is None:
            node = Node("agent turn", at, input=prompt)
            self._parent(at, prompt).append(node)
            turn = TrueTurn(node)
            world.true_turns.append(turn)
        else:
            for call in self.brought:
                if call.returned_at is None:
                    call.returned_at = at
                    assert call.iteration.act is not None
                    call.iteration.act.end = at
        one = Generation(key, turn, turn.begin(at, number))
        asked = self.wire.reader.asked(self.wire.request(offers=offers))
        world.turns.begin(key, at, asked, self.origin)
        node = _generation(key, at, None)
        one.iteration.reason.add(node)
        world.generations.append(node)
        place, _ = world.turns.place(key)
        world.placed[key] = (place.span_id, place.parents, place.root_span_id)
        yield
        return one

    def _end(self, one: Generation, response: Json, calls: list[TrueCall], failure: Failure | None) -> Work:
        world = self.world
        at = world.tick()
        answer = self.wire.reader.answer(response if failure is None else {})
        usage: dict[Metric, float] = {"tokens": one.key} if failure is None else {}
        world.turns.end(one.key, at, Outcome(answer, failure, usage))
        if failure is None:
            one.turn.spent += one.key
            one.iteration.ask(at, calls)
            if not calls:
                one.turn.last = self.wire.content(response)
                one.iteration.preview = answer.text
        [node] = [node for node in one.iteration.reason.children if node.metadata["key"] == one.key]
        node.end = at
        one.turn.end(at, one.iteration, failure, asks=bool(calls))
        yield

    def _try(
        self, plan: TryPlan, turn: TrueTurn | None, prompt: str, number: int, *, offers: bool = True
    ) -> Work:
        """Makes a request that the conversation does not go on from. A first one opens a turn of its own."""
        one = yield from self._begin(turn, prompt, number, offers=offers)
        name = f"resp-{one.key}"
        if plan.outcome == "asks" and offers:
            call = IterationPlan((CallPlan("search"),))
            calls, asked = self._asked(call, one)
            yield from self._end(one, self.wire.response(name, None, asked), calls, None)
        elif plan.outcome in ("failed", "cancelled"):
            failure: Any = plan.outcome
            yield from self._end(one, {}, [], failure)
        else:
            yield from self._end(one, self.wire.response(name, f"other {one.key}", ()), [], None)

    # Tools.

    def _execute(self, call: TrueCall, plan: CallPlan, one: Generation) -> Work:
        """Runs a tool, where its executions are observed; with agents at work within it."""
        seen = self.plan.seen[NAMES.index(call.name)]
        if seen == "not":
            return
        world = self.world
        key, at = ("run", world.number()), world.tick()
        by_id = seen == "by id" and self.plan.ids != "missing"
        run = Run(
            "tool",
            call.name,
            {**call.arguments, "limit": 10},
            call.id if by_id else None,
            seen == "found",
            (one.key,) if seen == "found" else (),
        )
        if not by_id:  # twins are no different: the first that does not run yet
            alike = [other for other in call.iteration.calls if other.arguments == call.arguments]
            call = next(other for other in alike if other.run is None)
        call.run = Node(f"tool.call ({call.name})", at, input=call.arguments)
        call.run.metadata = {"tool_name": call.name, "tool_call_id": call.id, "timing": "observed"}
        one.turn.touch(at)
        assert world.turns.start(key, at, run, self.origin)
        yield
        execution = Execution(call.run)
        for inner in plan.agents:
            yield from Agent(world, inner, key, execution).work()
        if plan.hangs:
            world.hanging.append((execution, one.turn))
            return
        stop = self._stop(key, execution, plan, one)
        if plan.left:
            self.late.append(stop)
        else:
            yield from stop

    def _stop(self, key: object, execution: Execution, plan: CallPlan, one: Generation) -> Work:
        at = self.world.tick()
        result, error = (None, "ValueError: no") if plan.raises else (f"ran at {at}", None)
        self.world.turns.stop(key, at, result, error)
        for node in (execution.node, execution.task):
            if node is not None:
                node.end, node.output, node.error = at, result, error
        execution.node.metadata["status"] = "error" if error else "success"
        one.turn.touch(at)
        yield


def _generation(key: int, start: float, end: float | None) -> Node:
    return Node("llm", start, end, metadata={"key": key})


def _result(call: TrueCall, part: CallPlan, asked: Called) -> Returned:
    return Returned(asked.id, call.name, f"result of {call.arguments}", part.is_error)

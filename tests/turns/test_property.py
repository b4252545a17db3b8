"""Whatever agents do at once, the tree is the one that they made."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.turns.oracle import Node
from tests.turns.plans import agent
from tests.turns.world import World


def grown(world: World) -> list[Node]:
    """Gives the tree that the tracker told, in the oracle's words."""
    nodes = {
        name: Node(
            step.name,
            step.started,
            step.ended,
            step.input,
            step.output,
            step.error,
            {
                name: value
                for name, value in step.metadata.items()
                if value is not None and name != "session_id"
            },
        )
        for name, step in world.steps.items()
    }
    # The `limit` that an application adds is not what the model asked for.
    above = {name: step.place.parents for name, step in world.steps.items()}
    roots = {name: step.place.root_span_id for name, step in world.steps.items()}
    times = {node.metadata["key"]: node for node in told(world.roots) if node.name == "llm"}
    for key, (name, parents, root) in world.placed.items():
        nodes[name] = Node("llm", times[key].start, times[key].end, metadata={"key": key})
        above[name], roots[name] = parents, root
    found = []
    for name, node in nodes.items():
        assert len(above[name]) <= 1
        for parent in above[name]:
            nodes[parent].add(node)
            assert roots[name] == roots[parent]
        if not above[name]:
            found.append(node)
    return found


def told(nodes: list[Node]) -> list[Node]:
    return [one for node in nodes for one in (node, *told(node.children))]


@settings(deadline=None, max_examples=400)
@given(agents=st.integers(1, 3), size=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_the_tree_is_the_one_that_was_made(agents: int, size: int, seed: int) -> None:
    random = Random(seed)
    world = World(random)
    world.run(tuple(agent(random, size) for _ in range(agents)))
    expected = sorted((root.told() for root in world.roots), key=repr)
    assert sorted((root.told() for root in grown(world)), key=repr) == expected
    assert all(step.ended is not None for step in world.steps.values())

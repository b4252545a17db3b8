"""Functions that are workflows are, to the application, the functions that they were; how they are found and put back."""

from __future__ import annotations

import asyncio
import copy
import gc
import importlib
import inspect
import pickle
import sys
import types
import typing
import warnings
from pathlib import Path
from typing import Any

import pytest

import bttrace
from bttrace.testing import capture
from tests import flows
from tests.doors import LOCAL, PYTHON, environment, finished, journal_rows
from tests.nested import named, nested

FUNCTIONS = ("handle", "ahandle", "parts", "aparts", "decorated", "cached", "_private")
METHODS = ("run", "arun", "made", "plain")
EVERY = ",".join([f"tests.flows:{name}" for name in FUNCTIONS] + ["tests.flows:Agent.*"])


def found(name: str) -> Any:
    return getattr(flows.Agent if name in METHODS else flows, name)


def facts(function: Any) -> dict[str, object]:
    """What an application can find out about a function."""
    return {
        "names": (function.__name__, function.__qualname__, function.__module__, function.__doc__),
        "signature": str(inspect.signature(function)),
        "hints": str(typing.get_type_hints(function)),
        "source": inspect.getsource(function),
        "kinds": [
            test(function)
            for test in (
                inspect.isfunction,
                inspect.ismethod,
                inspect.iscoroutinefunction,
                inspect.isgeneratorfunction,
                inspect.isasyncgenfunction,
                asyncio.iscoroutinefunction,
                callable,
            )
        ],
        "code": getattr(function, "__code__", None),
        "defaults": (getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)),
        "class": function.__class__,
        "own": sorted(vars(function)),
    }


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_a_function_looks_as_it_did(name: str) -> None:
    bare, original = facts(found(name)), found(name)
    with capture(workflows=EVERY):
        assert found(name) is not original
        assert facts(found(name)) == bare
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(found(name), protocol))  # noqa: S301 - it was written just now
            assert again == found(name)
        assert copy.copy(found(name)) == copy.deepcopy(found(name)) == found(name)
    assert found(name) == original


@pytest.mark.parametrize("name", ["ahandle", "parts", "aparts", "cached", "_private", *METHODS])
def test_wrong_arguments_are_told_when_it_is_called(name: str) -> None:
    def told() -> list[str]:
        errors = []
        given: Any = (((), {}), ((1,), {"client": 2, "said": 3}), ((1, 2, 3, 4), {}), ((1, 2), {"nope": 5}))
        for args, kwargs in given:
            with pytest.raises(TypeError) as error:
                found(name)(*args, **kwargs)
            errors.append(str(error.value))
        return errors

    bare = told()
    with capture(workflows=EVERY) as captured:
        assert told() == bare
    assert captured.rows == []


def test_what_it_gives_bears_its_name() -> None:
    def told(running: Any) -> tuple[object, ...]:
        running.close() if hasattr(running, "close") else asyncio.run(running.aclose())
        return type(running), running.__name__, running.__qualname__

    def every() -> list[tuple[object, ...]]:
        running = (flows.ahandle(1, ""), flows.parts(1, 1), flows.aparts(1, 1), flows.Agent(1).arun(""))
        return [told(one) for one in running]

    bare = every()
    with capture(workflows=EVERY):
        assert every() == bare


def test_one_that_is_never_awaited_is_told_once() -> None:
    def told() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kept = [flows.ahandle(1, "x")]
            kept.clear()
            gc.collect()
        return [str(warning.message) for warning in caught]

    bare = told()
    with capture(workflows=EVERY) as captured:
        assert told() == bare == ["coroutine 'ahandle' was never awaited"]
    assert captured.rows == []


def test_attributes_of_a_function_are_its_own() -> None:
    with capture(workflows=EVERY):
        flows.cached.cache_clear()
        assert (flows.cached("a"), flows.cached("a"), flows.cached.cache_info().hits) == ("A", "A", 1)
        flows.handle.note = 1  # type: ignore[attr-defined]
    assert flows.handle.note == 1  # type: ignore[attr-defined]
    del flows.handle.note  # type: ignore[attr-defined]


def test_arguments_by_parameter() -> None:
    def positional(first: int, /, *rest: int, last: int = 3, **more: int) -> int:
        return first + sum(rest) + last + sum(more.values())

    module = types.ModuleType("tests.of_arguments")
    module.positional, module.nothing = positional, lambda: None  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        with capture(workflows="tests.of_arguments:positional, tests.of_arguments:nothing") as captured:
            assert module.positional(1, 2, 4, last=5, first=6) == 18
            assert module.positional(1) == 4
            module.nothing()
        inputs = [row.get("input") for row in captured.rows]
    finally:
        del sys.modules[module.__name__]
    assert inputs == [{"first": 6, "rest": [2, 4], "last": 5}, {"first": 1}, {}]


# How they are found.


@pytest.fixture(name="package")
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that nobody has imported yet."""
    files = {
        "__init__": "",
        "work": "def run(x):\n    return x + 1\n\ndef running(x):\n    return run(x)\n\ndef _hidden(x):\n    return x\n",
        "app": "from os.path import join as running\nfrom .work import run\n\ndef main(x):\n    return run(x)\n",
        "other": "class Other:\n    class Inner:\n        def run(self, x):\n            return x\nrun = 3\n",
    }
    (tmp_path / "shop").mkdir()
    for name, text in files.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "shop"


def forget_shop() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


def shop(module: str) -> Any:
    return importlib.import_module(f"shop.{module}")


def calls_all() -> None:
    assert shop("work").run(1) == 2
    assert shop("work").running(2) == 3
    assert shop("work")._hidden(3) == 3
    assert shop("app").main(4) == 5
    assert shop("app").running("a", "b")
    assert shop("other").Other.Inner().run(5) == 5


RUN, RUNNING, MAIN = "workflow:run", "workflow:running", "workflow:main"
INNER = "workflow:Other.Inner.run"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("patterns", "tree"),
    [
        ("shop.work:run", [RUN, RUN, RUN]),
        ("shop.work:*", [RUN, [RUNNING, RUN], RUN]),
        ("shop.work:run?*", [RUNNING]),
        ("shop.work:[r]un,shop.app:*", [RUN, RUN, [MAIN, RUN]]),
        ("shop.work:_*", ["workflow:_hidden"]),
        ("shop.*:run", [RUN, RUN, RUN]),
        ("shop.*:*", [RUN, [RUNNING, RUN], [MAIN, RUN]]),
        ("shop.app:run", [RUN]),  # as that module calls it, and no other
        ("shop.app:running", [RUNNING]),  # named in full, it may be from elsewhere
        ("shop.other:Other.Inner.run", [INNER]),
        ("shop.other:*.Inn??.*", [INNER]),
        ("shop.other:*", []),
        ("shop.work:run,shop.work:run,shop.*:run", [RUN, RUN, RUN]),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_patterns(patterns: str, tree: list[Any], before: bool, capfd: pytest.CaptureFixture[str]) -> None:
    forget_shop()
    if before:
        calls_all()
    with capture(workflows=patterns) as captured:
        calls_all()
        rows = captured.rows
    forget_shop()
    if before and patterns == "shop.work:run":
        tree = [RUN, RUN]  # `shop.app` had taken the function already
    elif before and patterns == "shop.work:*":
        tree = [RUN, [RUNNING, RUN]]
    elif before and patterns == "shop.work:[r]un,shop.app:*":
        tree = [RUN, RUN, MAIN]
    elif before and patterns == "shop.*:*":
        tree = [RUN, [RUNNING, RUN], MAIN]
    assert nested(rows) == tree
    assert (patterns == "shop.other:*") == ("no function fits" in capfd.readouterr().err)


@pytest.mark.usefixtures("package")
def test_a_module_that_is_loaded_again_is_wrapped_again_and_put_back() -> None:
    forget_shop()
    with capture(workflows="shop.work:run") as captured:
        first = shop("work").run
        again = importlib.reload(shop("work")).run
        assert again(1) == 2
        assert first is not again
        assert len(captured.rows) == 1
        bttrace.disable()
        assert bttrace.status().left_behind == ()
    assert type(shop("work").run) is types.FunctionType
    assert (first(1), again(2)) == (2, 3)
    forget_shop()


def test_what_is_kept_of_a_wrapper_works_on_after_disable() -> None:
    with capture(workflows=EVERY):
        kept, parts = flows._private, flows.parts(None, 0)
    assert flows._private is not kept
    assert type(flows._private) is types.FunctionType
    assert kept("x") == "x"
    with pytest.raises(AttributeError):  # there is no client to ask
        list(parts)


# What is said of those that are not.


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ("tests.flows:nope", ["tests.flows:nope", "no such function", "spelling"]),
        ("tests.flows:Nope.run", ["tests.flows:Nope.run", "no such function"]),
        ("tests.flows:Agent.nope", ["tests.flows:Agent.nope", "no such function"]),
        ("tests.flows:x*", ["tests.flows:x*", "no function fits"]),
        ("tests.flows:NOT_A_FUNCTION", ["tests.flows:NOT_A_FUNCTION", "dict", "a function or a method"]),
        ("tests.flows:Agent", ["tests.flows:Agent", "class type", "a function or a method"]),
        ("__main__:nowhere", ["__main__:nowhere", "bttrace run --workflow"]),
    ],
)
def test_what_is_not_there_is_said_once(
    patterns: str, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with capture(tasks=patterns):
        importlib.reload(flows)
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("bttrace: BTTRACE_TASKS names ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    "value",
    [
        "handle",
        "myapp:",
        ":handle",
        "my app:x",
        "my*.flows:run",
        "a.*.b:run",
        "*:run",
        "a:b,c",
        "a:b c",
        "a:b:c",
    ],
)
def test_a_bad_value_is_one_clear_message(value: str, capfd: pytest.CaptureFixture[str]) -> None:
    with capture(workflows=value):
        pass
    [line] = capfd.readouterr().err.splitlines()
    for word in ("workflows", repr(value), "module:function", "Class.method", ".*", "ignored"):
        assert word in line


# Before any SDK is there.


def test_a_program_without_an_sdk_is_traced_too(package: Path) -> None:
    code = "import sys; import shop.app; shop.app.main(1); print('openai' in sys.modules, 'wrapt' in sys.modules)"
    env = environment(
        {**LOCAL, "BTTRACE_WORKFLOWS": "shop.app:main", "BTTRACE_TASKS": "shop.work:*"}, package.parent
    )
    done = finished([PYTHON, "-m", "bttrace.run", "-c", code], env, package.parent)
    assert done.out == "False True\n"
    rows = journal_rows(package.parent / ".bttrace")
    assert nested(rows) == [["workflow:main", "task:run"]]
    assert named(rows, "task:run")["input"] == {"x": 1}


def test_nothing_is_loaded_before_a_named_module_is_imported(package: Path) -> None:
    code = (
        "import sys; print('wrapt' in sys.modules, 'fnmatch' in sys.modules, 'bttrace.wiring' in sys.modules)"
    )
    env = environment({**LOCAL, "BTTRACE_WORKFLOWS": "shop.app:main,shop.*:run"}, package.parent)
    assert finished([PYTHON, "-m", "bttrace.run", "-c", code], env).out == "False False False\n"


def test_functions_of_a_script_that_enables_bttrace_itself(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import bttrace\ndef main(): return 1\n"
        "bttrace.enable(workflows='__main__:main', exporter='local')\nprint(main())\n"
    )
    done = finished([PYTHON, "script.py"], environment(), tmp_path)
    assert (done.code, done.out, done.err) == (0, "1\n", "")
    assert nested(journal_rows(tmp_path / ".bttrace")) == ["workflow:main"]


def test_functions_of_a_script_that_has_not_run_yet_are_refused(tmp_path: Path) -> None:
    env = environment({**LOCAL, "BTTRACE_WORKFLOWS": "__main__:main"})
    done = finished([PYTHON, "-m", "bttrace.run", "-c", "def main(): print(1)\nmain()"], env, tmp_path)
    assert (done.code, done.out, len(done.said)) == (0, "1\n", 1)
    assert "bttrace run --workflow" in done.said[0]

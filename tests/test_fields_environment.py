"""Each variable: its default, a value that is taken, and a bad one, which is one warning and then the default.

`tests.test_fields_settings` shows what each does. Sources of the first four: the seeds' own tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import bttrace
from bttrace import config
from bttrace.testing import capture

ANY_TEXT: tuple[str, ...] = ()
TRUTH = ("perhaps", "allowed are true and false")
PATTERN = ("no function", "module:function")


@dataclass(frozen=True)
class Variable:
    """What stands for it in `Config`, its default, a value with what it means, and bad ones with what is said of them."""

    setting: str
    default: Any
    good: dict[str, Any]
    bad: tuple[tuple[str, str], ...] = ()


VARIABLES = {
    "BRAINTRUST_API_KEY": Variable("api_key", None, {"k": "k", " k ": "k", " ": None}),
    "BRAINTRUST_PROJECT_NAME": Variable("project", "My Project", {"Harbour": "Harbour", "": "My Project"}),
    "BRAINTRUST_PROJECT_ID": Variable("project_id", None, {"p-1": "p-1"}),
    "BRAINTRUST_API_URL": Variable(
        "api_url", None, {"https://api.example.com/": "https://api.example.com"}, (("nonsense", "http://"),)
    ),
    "BRAINTRUST_APP_URL": Variable(
        "app_url",
        "https://www.braintrust.dev",
        {"http://127.0.0.1:1": "http://127.0.0.1:1"},
        (("ftp://x", "https://"),),
    ),
    "BRAINTRUST_ORG_NAME": Variable("org_name", None, {"Acme": "Acme"}),
    "BRAINTRUST_ENVIRONMENT_TYPE": Variable("environment_type", None, {"server": "server"}),
    "BRAINTRUST_ENVIRONMENT_NAME": Variable("environment_name", None, {"harbour": "harbour"}),
    "BTTRACE_DISABLED": Variable(
        "disabled", False, {"1": True, "YES": True, "on": True, "0": False, "no": False}, (TRUTH,)
    ),
    "BTTRACE_EXPORTER": Variable(
        "exporter",
        None,
        {"local": "local", "Local,Console": "local,console", "none": "none"},
        (("paper", "braintrust, local, console, none"), ("local,paper", "several with commas")),
    ),
    "BTTRACE_JOURNAL_DIR": Variable("journal_dir", ".bttrace", {"journals": "journals"}),
    "BTTRACE_CAPTURE_CONTENT": Variable("capture_content", True, {"false": False, "Off": False}, (TRUTH,)),
    "BTTRACE_EXIT_TIMEOUT": Variable(
        "exit_timeout",
        5.0,
        {"0": 0.0, "2.5": 2.5},
        tuple((text, "0 or more seconds") for text in ("soon", "-1", "inf", "nan")),
    ),
    "BTTRACE_SPAN_NAMES": Variable(
        "span_names", "turn", {"braintrust": "braintrust", "Turn": "turn"}, (("long", "turn, braintrust"),)
    ),
    "BTTRACE_PROVIDERS": Variable(
        "providers",
        None,
        {"acme.tracing:PROVIDER": "acme.tracing:PROVIDER"},
        (("acme", "module:ATTRIBUTE"), ("a:B.c", "module:ATTRIBUTE")),
    ),
    "BTTRACE_TOOLS": Variable(
        "tools",
        None,
        {"app:TOOLS, app:Box.search": "app:TOOLS, app:Box.search"},
        (("app", "module:ATTRIBUTE"),),
    ),
    "BTTRACE_WORKFLOWS": Variable("workflows", None, {"app.*:run_*": "app.*:run_*"}, (PATTERN,)),
    "BTTRACE_TASKS": Variable("tasks", None, {"app:Agent.run": "app:Agent.run"}, (PATTERN,)),
    "BTTRACE_MASK": Variable("mask", None, {"app:mask": "app:mask"}),
    "BTTRACE_SAMPLE_RATE": Variable(
        "sample_rate",
        1.0,
        {"0": 0.0, "0.25": 0.25, "1": 1.0},
        tuple((text, "a number from 0 to 1") for text in ("often", "-0.1", "1.5", "nan")),
    ),
    "BTTRACE_SPOOL": Variable(
        "spool", "on-failure", {"always": "always", "OFF": "off"}, (("never", "on-failure, always, off"),)
    ),
    "BTTRACE_SPOOL_DIR": Variable("spool_dir", None, {"spools": "spools"}),
    "BTTRACE_TAGS": Variable(
        "tags",
        (),
        {"a": ("a",), " a, b ,a,, ": ("a", "b"), "naïve 🦦": ("naïve 🦦",), "x" * 256: ("x" * 256,)},
        (("a,b\nc", "control characters"), ("x" * 257, "256 are allowed")),
    ),
    "BTTRACE_METADATA": Variable(
        "metadata",
        {},
        {'{"team": "search", "of": [1]}': {"team": "search", "of": [1]}, "{}": {}},
        (
            ("team=search", "a JSON object"),
            ('["team"]', "a JSON object"),
            ('"team"', "a JSON object"),
            ("{" * 5000, "a JSON object"),
            ("[" * 100_000, "a JSON object"),
        ),
    ),
    "BTTRACE_USER_ID": Variable(
        "user_id",
        None,
        {"u-1": "u-1", "x" * 128: "x" * 128},
        (("x" * 129, "129 characters, and 128 are allowed"), ("a\x7fb", "control characters")),
    ),
    "BTTRACE_SESSION_ID": Variable(
        "session_id",
        None,
        {"s-1": "s-1", "x" * 256: "x" * 256},
        (("x" * 257, "257 characters, and 256 are allowed"), ("a\tb", "control characters")),
    ),
    "BTTRACE_DISCOVER_TOOLS": Variable("discover_tools", True, {"false": False}, (TRUTH,)),
    "BTTRACE_PRICES": Variable("prices", True, {"false": False}, (TRUTH,)),
    "BTTRACE_PROPAGATE": Variable("propagate", False, {"true": True, "0": False}, (TRUTH,)),
    "BTTRACE_LOG": Variable(
        "log", "warning", {"info": "info", "ERROR": "error"}, (("loud", "debug, info, warning"),)
    ),
}
each_variable = pytest.mark.parametrize("name", VARIABLES)
BAD = [
    pytest.param(name, text, allowed, id=f"{name}-{text[:12]!r}")
    for name, variable in VARIABLES.items()
    for text, allowed in variable.bad
]


def test_the_table_has_every_variable_that_is_read() -> None:
    """`BTTRACE_STRICT` is read where a fault is met, so that it counts as soon as it is set."""
    assert set(VARIABLES) == set(config.known_variables())


@pytest.fixture(autouse=True)
def _no_env_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@each_variable
def test_the_default(name: str) -> None:
    variable = VARIABLES[name]
    for environ in ({}, {name: ""}, {name: "  "}):
        settings = config.read(environ)
        assert getattr(settings, variable.setting) == variable.default
        assert settings.problems == []


@each_variable
def test_a_value_that_is_taken(name: str) -> None:
    variable = VARIABLES[name]
    for text, expected in variable.good.items():
        settings = config.read({name: text})
        assert getattr(settings, variable.setting) == expected
        assert settings.problems == []
        others = {one.setting for one in VARIABLES.values()} - {variable.setting}
        bare = config.read({})
        assert [one for one in others if getattr(settings, one) != getattr(bare, one)] == []


@each_variable
def test_the_option_of_the_same_name_wins(name: str) -> None:
    variable = VARIABLES[name]
    (text, _), *_ = variable.good.items()
    given = {"tags": ["mine"], "metadata": {"mine": 1}}.get(variable.setting)
    option: object = text if given is None else given
    other = next((bad for bad, _ in variable.bad), "other")
    settings = config.read({name: other}, {variable.setting: option})
    expected = {"tags": ("mine",)}.get(variable.setting, given) if given else variable.good[text]
    assert getattr(settings, variable.setting) == expected
    assert settings.problems == []


@pytest.mark.parametrize(("name", "text", "allowed"), BAD)
def test_a_bad_value(
    name: str,
    text: str,
    allowed: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One line that names the variable, the value and what is allowed; then the default holds, and tracing is on."""
    monkeypatch.setenv(name, text)
    settings = config.read({name: text})
    assert getattr(settings, VARIABLES[name].setting) == VARIABLES[name].default
    with capture():
        assert bttrace.status().enabled
        bttrace.enable()  # of which nothing more may come
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(f"bttrace: {name}={text[:20]!r}"[: len(name) + 20].rstrip("'"))
    assert allowed in line
    assert len(line) < 500


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("tags", "a, b", ("a", "b")),
        ("tags", ["a, b", "c", 3], ("a, b", "c", "3")),
        ("tags", {"a"}, ("a",)),
        ("tags", 7.5, ("7.5",)),
        ("metadata", '{"a": 1}', {"a": 1}),
        ("metadata", {"a": 1, 2: 3}, {"a": 1, "2": 3}),
        ("user_id", 42, "42"),
        ("session_id", " s ", "s"),
    ],
)
def test_options_that_are_no_text(option: str, given: Any, expected: Any) -> None:
    settings = config.read({}, {option: given})
    assert (getattr(settings, option), settings.problems) == (expected, [])


@pytest.mark.parametrize(
    ("option", "given", "words"),
    [
        ("tags", ["a", "b\nc"], "control"),
        ("metadata", ["a"], "JSON object"),
        ("user_id", "x" * 129, "128 are allowed"),
        ("session_id", "\x1b[1m", "control characters"),
    ],
)
def test_a_bad_option(option: str, given: Any, words: str) -> None:
    settings = config.read({}, {option: given})
    [problem] = settings.problems
    assert problem.startswith(f"option {option}=")
    assert words in problem

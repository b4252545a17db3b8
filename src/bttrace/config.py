"""What the environment and the options ask for, checked.

Owns every variable of ours and of Braintrust that bttrace reads, and where the env file
is looked for. Knows nothing of what is done with a setting. Plain classes and no `typing`,
`dataclasses` or `re`: this module is loaded when a Python starts, where each of those
costs more than all the rest.

A *problem* is one sentence for a human: the variable, its value, what is allowed.
"""

from __future__ import annotations

import os

from .limits import SESSION_ID, USER_ID, checked, checked_tags, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Value = str | float | bool | tuple[str, ...] | dict[str, object] | None

ENV_FILE = ".env.braintrust"
RUN_WORKFLOW_VARIABLE = (
    "BTTRACE_RUN_WORKFLOW"  # set by `bttrace run --workflow`: what that process's run is called
)
RUN_VARIABLE = "BTTRACE_RUN_PID"  # set by `bttrace run`: the process whose trees are printed when it ends
_PARENTS = 64  # how far up braintrust 0.47 (`env.py`) looks for its env file
_TRUE = ("true", "1", "yes", "y", "on")
_FALSE = ("false", "0", "no", "n", "off")
_EXPORTERS = ("braintrust", "local", "console", "none")
_LEVELS = ("debug", "info", "warning", "error", "critical")
_SECRETS = ("api_key",)
_PATTERNS = (
    "it must be module:function or module:Class.method, several with commas; "
    "the function's part may hold * and ? as in a shell, the module's part may end in .*"
)

# option -> variable, kind (what is allowed), default
_SETTINGS: dict[str, tuple[str, str | tuple[str, ...], Value]] = {
    "api_key": ("BRAINTRUST_API_KEY", "text", None),
    "project": ("BRAINTRUST_PROJECT_NAME", "text", "My Project"),
    "project_id": ("BRAINTRUST_PROJECT_ID", "text", None),
    "api_url": ("BRAINTRUST_API_URL", "url", None),
    "app_url": ("BRAINTRUST_APP_URL", "url", "https://www.braintrust.dev"),
    "org_name": ("BRAINTRUST_ORG_NAME", "text", None),
    "disabled": ("BTTRACE_DISABLED", "bool", False),
    "exporter": ("BTTRACE_EXPORTER", "exporters", None),
    "journal_dir": ("BTTRACE_JOURNAL_DIR", "text", ".bttrace"),
    "capture_content": ("BTTRACE_CAPTURE_CONTENT", "bool", True),
    "exit_timeout": ("BTTRACE_EXIT_TIMEOUT", "seconds", 5.0),
    "span_names": ("BTTRACE_SPAN_NAMES", ("turn", "braintrust"), "turn"),
    "providers": ("BTTRACE_PROVIDERS", "names", None),
    "tools": ("BTTRACE_TOOLS", "paths", None),
    "workflows": ("BTTRACE_WORKFLOWS", "patterns", None),
    "tasks": ("BTTRACE_TASKS", "patterns", None),
    "mask": ("BTTRACE_MASK", "text", None),  # `masks` says what is wrong with one: it must not be ignored
    "sample_rate": ("BTTRACE_SAMPLE_RATE", "rate", 1.0),
    "spool": ("BTTRACE_SPOOL", ("on-failure", "always", "off"), "on-failure"),
    "spool_dir": ("BTTRACE_SPOOL_DIR", "text", None),
    "tags": ("BTTRACE_TAGS", "tags", ()),
    "metadata": ("BTTRACE_METADATA", "object", {}),
    "user_id": ("BTTRACE_USER_ID", "user", None),
    "session_id": ("BTTRACE_SESSION_ID", "session", None),
    "propagate": ("BTTRACE_PROPAGATE", "bool", False),
    "discover_tools": ("BTTRACE_DISCOVER_TOOLS", "bool", True),
    "prices": ("BTTRACE_PRICES", "bool", True),
    "log": ("BTTRACE_LOG", _LEVELS, "warning"),
    "environment_type": ("BRAINTRUST_ENVIRONMENT_TYPE", "text", None),
    "environment_name": ("BRAINTRUST_ENVIRONMENT_NAME", "text", None),
}


class Config:
    """The settings of one session, each valid. Read-only by convention.

    `exporters` is the chosen sinks in order, empty when there is nothing to do: no key
    and no exporter, `none`, or `BTTRACE_DISABLED`. `problems` is what was not accepted.
    """

    __slots__ = ("exporters", "problems", "reason", *_SETTINGS)

    api_key: str | None
    project: str
    project_id: str | None
    api_url: str | None
    app_url: str
    org_name: str | None
    disabled: bool
    exporter: str | None
    journal_dir: str
    capture_content: bool
    exit_timeout: float
    span_names: str
    providers: str | None
    tools: str | None
    workflows: str | None
    tasks: str | None
    mask: str | None
    sample_rate: float
    spool: str
    spool_dir: str | None
    tags: tuple[str, ...]
    metadata: dict[str, object]
    user_id: str | None
    session_id: str | None
    propagate: bool
    discover_tools: bool
    prices: bool
    log: str
    environment_type: str | None
    environment_name: str | None
    exporters: tuple[str, ...]
    problems: list[str]
    reason: str


def read(environ: Mapping[str, str], options: Mapping[str, object] | None = None) -> Config:
    """Gives the settings; an option wins over its variable. Never raises for a bad value."""
    config = Config()
    config.problems = []
    given = dict(options or {})
    for name, (variable, kind, default) in _SETTINGS.items():
        if name in given and (option := given.pop(name)) is not None:
            label, raw = f"option {name}", option
        else:
            label, raw = variable, environ.get(variable, "")
        value, fault = _parsed(raw, kind)
        if fault:
            told = "(hidden)" if name in _SECRETS else shown(raw)
            fallback = f"using {default!r}" if default else "it is ignored"
            config.problems.append(f"{label}={told} is not valid: {fault}; {fallback}.")
        setattr(config, name, default if value is None else value)
    config.problems += [f"unknown option {name!r}; known: {', '.join(_SETTINGS)}." for name in sorted(given)]
    if config.api_key is None and not config.disabled:
        config.api_key = _key_from_file(config.problems)
    config.exporters, config.reason = _exporters(config)
    return config


def _exporters(config: Config) -> tuple[tuple[str, ...], str]:
    """Gives the chosen exporters, and, when there are none, the reason."""
    if config.disabled:
        return (), "BTTRACE_DISABLED is set"
    if config.exporter is None:
        if config.api_key:
            return ("braintrust",), ""
        return (), "there is no BRAINTRUST_API_KEY and no BTTRACE_EXPORTER"
    chosen = _parts(config.exporter.lower())
    if "none" in chosen:
        return (), "BTTRACE_EXPORTER is none"
    if "braintrust" in chosen and not config.api_key:
        config.problems.append(
            "BTTRACE_EXPORTER names braintrust, but there is no BRAINTRUST_API_KEY: nothing is sent there. "
            "Create a key in the organisation's settings at Braintrust and export it."
        )
        chosen.remove("braintrust")
    return tuple(dict.fromkeys(chosen)), "" if chosen else "there is no BRAINTRUST_API_KEY"


def _parsed(raw: object, kind: str | tuple[str, ...]) -> tuple[Value, str]:
    """Gives a checked value and a fault: what is allowed. Blank is absent."""
    if isinstance(raw, bool) and kind == "bool":
        return raw, ""
    if kind == "object" and hasattr(raw, "items"):
        return {str(name): value for name, value in raw.items()}, ""
    if isinstance(raw, (list, tuple, set, frozenset)) and kind == "tags":
        return _listed(raw)
    text = str(raw).strip()
    if not text:
        return None, ""
    if isinstance(kind, tuple):
        low = text.lower()
        return (low, "") if low in kind else (None, f"allowed are {', '.join(kind)}")
    return _KINDS[kind](text)


def _text(text: str) -> tuple[Value, str]:
    return text, ""


def _bool(text: str) -> tuple[Value, str]:
    low = text.lower()
    return (low in _TRUE, "") if low in _TRUE + _FALSE else (None, "allowed are true and false")


def _url(text: str) -> tuple[Value, str]:
    good = text.lower().startswith(("http://", "https://"))
    return (text.rstrip("/"), "") if good else (None, "it must start with http:// or https://")


def _exporter_names(text: str) -> tuple[Value, str]:
    low = text.lower()
    good = all(part in _EXPORTERS for part in _parts(low))
    return (low, "") if good else (None, f"allowed are {', '.join(_EXPORTERS)}, several with commas")


def _names(text: str) -> tuple[Value, str]:
    good = all(_is_path(part) and "." not in part.partition(":")[2] for part in _parts(text))
    return (text, "") if good else (None, "it must be module:ATTRIBUTE, several with commas")


def _paths(text: str) -> tuple[Value, str]:
    good = all(_is_path(part) for part in _parts(text))
    return (text, "") if good else (None, "it must be module:ATTRIBUTE, several with commas")


def _patterns(text: str) -> tuple[Value, str]:
    return (text, "") if all(_selects(part) for part in _parts(text)) else (None, _PATTERNS)


def _seconds(text: str) -> tuple[Value, str]:
    return _number(text, float("inf"), "0 or more seconds")


def _rate(text: str) -> tuple[Value, str]:
    return _number(text, 1.0, "a number from 0 to 1")


def _number(text: str, most: float, allowed: str) -> tuple[Value, str]:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    good = 0 <= number <= most and number < float("inf")
    return (number, "") if good else (None, f"it must be {allowed}")


def _tags(text: str) -> tuple[Value, str]:
    return _listed(_parts(text))


def _listed(tags: Iterable[object]) -> tuple[Value, str]:
    taken, faults = checked_tags(tags)
    return (None, faults[0]) if faults else (taken, "")


def _object(text: str) -> tuple[Value, str]:
    from json import loads  # only where the variable is set: it costs a start-up more than all the rest

    try:
        found = loads(text)
    except (ValueError, RecursionError):
        found = None
    good = isinstance(found, dict)
    return (found, "") if good else (None, 'it must be a JSON object, such as {"team": "search"}')


def _user(text: str) -> tuple[Value, str]:
    return checked(text, USER_ID)


def _session(text: str) -> tuple[Value, str]:
    return checked(text, SESSION_ID)


_KINDS: dict[str, Callable[[str], tuple[Value, str]]] = {
    "text": _text,
    "bool": _bool,
    "url": _url,
    "exporters": _exporter_names,
    "names": _names,
    "paths": _paths,
    "patterns": _patterns,
    "seconds": _seconds,
    "rate": _rate,
    "tags": _tags,
    "object": _object,
    "user": _user,
    "session": _session,
}


def _parts(text: str) -> list[str]:
    """Gives what stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_path(part: str) -> bool:
    """Tells whether a part reads `module:ATTRIBUTE`, where the attribute may be one of an attribute."""
    module, _, attribute = part.strip().partition(":")
    return all(name.isidentifier() for name in (*module.split("."), *attribute.split(".")))


def _selects(part: str) -> bool:
    """Tells whether a part reads `module:function` or `module:Class.method`, with wildcards."""
    module, _, path = part.strip().partition(":")
    names = path.translate(dict.fromkeys(map(ord, "*?[]!-"), "_")).split(".")
    package = module.removesuffix(".*")
    return all(name.isidentifier() for name in names) and all(
        name.isidentifier() for name in package.split(".")
    )


def modules(patterns: str | None) -> list[str]:
    """Gives the modules that patterns name, each once; one that ends in `.*` is every one below."""
    return list(dict.fromkeys(part.partition(":")[0] for part in _parts(patterns or "")))


def nearest_env_file() -> str | None:
    """Gives the path of the nearest `.env.braintrust`, from the working folder upwards."""
    try:
        folder = os.getcwd()
    except OSError:
        return None
    for _ in range(_PARENTS + 1):
        candidate = os.path.join(folder, ENV_FILE)
        if os.path.isfile(candidate):
            return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return None


def _key_from_file(problems: list[str]) -> str | None:
    path = nearest_env_file()
    if path is None:
        return None
    from .env_file import variables

    found, fault = variables(path)
    if fault:
        problems.append(fault)
    return found.get("BRAINTRUST_API_KEY", "").strip() or None


def run_workflow(environ: Mapping[str, str]) -> str | None:
    """Gives what the run of this very process is called as a workflow, if `bttrace run` made it one."""
    is_run = environ.get(RUN_VARIABLE) == str(os.getpid())
    return environ.get(RUN_WORKFLOW_VARIABLE) or None if is_run else None


def known_variables() -> Sequence[str]:
    """Gives the name of every variable that is read."""
    return [variable for variable, _, _ in _SETTINGS.values()]

"""OpenAI's tool runners: of Responses, with their browser and computer toolsets, and of Decisions. PURE.

Gates hold on openai 3.52 (`lib/responses_tool_runner.py`, `lib/browser.py`, `lib/computer.py`,
`lib/decisions_tool_runner.py`). The SDK has no runner for chat completions since its 1.x. An
action that a decision chooses is known by the id of its candidate, and takes no arguments.
"""

from __future__ import annotations

from ..evidence import arguments
from .row import Args, Gate, Invocation, Kwargs, Registry, Returned, argument, attribute, by_name, words

_RESPONSES = "openai.lib.responses_tool_runner"
_BROWSER = "openai.lib.browser"
_COMPUTER = "openai.lib.computer"


def _of_item(item: object) -> Invocation | None:
    """Reads a `function_call` of an answer."""
    name = attribute(item, "name")
    if name is None:
        return None
    given = by_name(arguments(getattr(item, "arguments", None)))
    return Invocation(name, given, attribute(item, "call_id"))


def _function(_runner: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    return _of_item(argument(args, kwargs, 1, "item"))


def _browser(_toolset: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    return None if kwargs.get("skip") is True else _of_item(argument(args, kwargs, 0, "call"))


def _computer(_toolset: object, args: Args, kwargs: Kwargs) -> Invocation | None:
    call = argument(args, kwargs, 0, "call")
    asked = {
        name: given for name in ("action", "actions") if (given := getattr(call, name, None)) is not None
    }
    return Invocation("computer", asked, attribute(call, "call_id"))


def _choice(candidate: object, _args: Args, _kwargs: Kwargs) -> Invocation | None:
    name = attribute(candidate, "id")
    return None if name is None else Invocation(name, {})


def _output(item: object) -> Returned:
    """Reads a `function_call_output`, or what else a tool gives back."""
    return Returned(item.get("output") if isinstance(item, dict) else item)


def _output_of_two(pair: object) -> Returned:
    """Reads the browser's output and whether it did what it was asked."""
    if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004 - a pair
        return Returned(pair)
    result = _output(pair[0]).result
    return Returned(result, None if pair[1] is True else words(result))


REGISTRY = Registry(
    "openai",
    "openai",
    (
        Gate(_RESPONSES, "ResponsesToolRunner", "_execute_function", _function, returned=_output),
        Gate(
            _RESPONSES,
            "AsyncResponsesToolRunner",
            "_execute_function",
            _function,
            is_async=True,
            returned=_output,
        ),
        Gate(_BROWSER, "BrowserToolset", "_execute", _browser, returned=_output_of_two),
        Gate(_BROWSER, "AsyncBrowserToolset", "_execute", _browser, is_async=True, returned=_output_of_two),
        Gate(_COMPUTER, "ComputerToolset", "_dispatch", _computer, returned=_output),
        Gate(_COMPUTER, "AsyncComputerToolset", "_dispatch", _computer, is_async=True, returned=_output),
        Gate("openai.lib.decisions_tool_runner", "", "invoke", _choice, is_async=None, local="choice"),
    ),
)

"""See inside a Python LLM application without touching its code.

Three doors lead to the same session: `python -m bttrace.run app.py`, the
`sitecustomize` folder on `PYTHONPATH` (`python -m bttrace.path` prints it), and
`bttrace.enable()`. This module is the face of the third; it imports nothing until
one of its functions is called, because a process that has no key must not pay for
a tracer that does nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .report import Status
    from .surroundings.correlated import Correlated
    from .surroundings.suppression import Suppressed

    Option = str | float | bool | Iterable[str] | Mapping[str, object] | None

__all__ = ["__version__", "context", "disable", "enable", "flush", "headers", "status", "suppressed"]
__version__ = "0.1.0"


def enable(**options: Option) -> None:
    """Traces this process from now on, including clients that were built before.

    Idempotent: a second call while enabled changes nothing. Without
    `BRAINTRUST_API_KEY`, and with no exporter chosen, it does nothing at all.
    Never raises for a bad value: it warns, naming the option and what is allowed.

    Options win over the environment; each is named like its variable:

    - `api_key`, `project` (a name), `project_id`, `api_url`, `app_url`, `org_name`:
      where spans go at Braintrust;
    - `exporter`: `"braintrust"`, `"local"`, `"console"`, `"none"`, several with commas;
    - `capture_content`: `False` leaves out messages, outputs and tool arguments;
    - `journal_dir`: the folder of the local journal;
    - `span_names`: `"turn"` or `"braintrust"`;
    - `providers`: descriptions of further SDKs, `"module:PROVIDER"`, several with commas;
    - `tools`: what holds tools of the application, `"module:attribute"`, several with commas;
    - `workflows` and `tasks`: functions to trace as such, `"module:function"` or `"module:Class.method"`,
      with wildcards, several with commas;
    - `mask`: a function, `"module:function"`, that every field passes before it leaves the process or
      touches a disk;
    - `sample_rate`: the share of traces that is kept, from 0 to 1;
    - `spool` (`"on-failure"`, `"always"`, `"off"`) and `spool_dir`: whether and where what is not
      delivered is kept;
    - `tags` (texts), `metadata` (a mapping), `user_id` (at most 128 characters) and `session_id` (256): what
      every trace of this process is about, unless it says so itself;
    - `prices`: `False` computes no cost with the price table of the extra `bttrace[prices]`;
    - `propagate`: `True` lets the messages of Celery's tasks say which span they were queued in;
    - `discover_tools`: `False` observes no tool functions but those of known registries;
    - `environment_type` (`"ci"`, `"server"`, `"local"`) and `environment_name`: where it runs, told from the
      variables of the best known platforms unless given;
    - `exit_timeout`: the most that the exit of the process may wait, in seconds.
    """
    from . import session

    session.enable(None, **options)


def disable() -> None:
    """Undoes `enable` exactly: patched classes, import hook, threads. Idempotent.

    Spans that ended before are delivered first, for at most the exit timeout; calls
    still running are not recorded.
    """
    from . import session

    session.disable()


def status() -> Status:
    """Tells what is traced, what is not and why, and what was sent, kept and lost.

    `print(bttrace.status())` is meant for people; its fields are for programs.
    """
    from . import session

    return session.status()


def flush(timeout: float = 5.0) -> bool:
    """Delivers every span that ended until now, waiting at most `timeout` seconds.

    Returns whether all of them were delivered. Never raises.
    """
    from . import session

    return bool(session.flush(timeout))


def context(
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Correlated:
    """Gives a block in which what begins is told of with these: `with bttrace.context(session_id=...): ...`.

    They stand in the `metadata` and the `tags` of the spans of calls, turns, workflows and tasks.
    `session_id` (at most 256 characters) ties the traces of one conversation; `user_id` has at most 128.
    Blocks may stand within one another: the inner one counts, and tags and metadata are put together.
    What a request says of itself counts more. It holds across awaits, for tasks that inherit the context,
    and for what is handed to executors of threads. Never raises: what can't be taken is one warning, and
    left out.
    """
    from . import session

    return session.context(session_id, user_id, tags, metadata)


def headers() -> dict[str, str]:
    """Gives the headers with which another process goes on with the trace that the caller is in.

    `traceparent` and `baggage`, as W3C and Braintrust have them, for a request or a message that is the
    caller's own: `requests.post(url, headers=bttrace.headers())`. They name the innermost workflow, task
    or tool around; the request of a web framework, or the run of a Celery task, is told of thereby.
    Empty where there is none, and in a span that the application makes with braintrust, whose SDK
    has `inject_trace_context` for it. Never raises; waits for at most a twentieth of a second.
    """
    from . import session

    return session.headers() or {}


def suppressed() -> Suppressed:
    """Gives a block in which nothing that begins is traced: `with bttrace.suppressed(): ...`.

    It holds across awaits, and for tasks and threads that inherit the block's context
    (`asyncio.create_task`, `asyncio.to_thread`), even after the block. Everything else in the
    process is traced as before. A stream is traced or not by where its call was made, wherever
    it is read. Blocks may stand within one another. Costs nearly nothing when nothing is traced.
    """
    from .surroundings.suppression import Suppressed

    return Suppressed()

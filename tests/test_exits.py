"""However a process ends, it ends as without us, and what it asked before is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from tests.exits.endings import PRELUDE, endings
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream


@dataclass(frozen=True)
class Way:
    """A way to end: its code after the prelude, how it ends, and how many of its calls must have been told.

    `before` comes before the prelude, that is before bttrace is there. `spans` is `None` where nobody can tell them all.
    """

    code: str
    exit_code: int = 0
    spans: int | None = 1
    before: str = ""


KILL = "import signal\nask()\n{0}\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(0.01)\nprint('alive')\n"
HANDLED = "signal.signal(signal.SIGTERM, lambda *_: (print('handled'), {0}))"
WAYS = {
    "end": Way("print(ask())"),
    "sys.exit": Way("ask(); sys.exit(3)", 3),
    "sys.exit with a text": Way("ask(); sys.exit('bye')", 1),
    "uncaught": Way("ask(); raise ValueError('mine')", 1),
    "excepthook": Way("sys.excepthook = lambda *_: print(ask())\nraise ValueError('mine')", 1),
    "SIGINT": Way("import signal\nask(); signal.raise_signal(signal.SIGINT)", -SIGINT),
    "SIGINT, as in a shell": Way(
        "import signal\nask()\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    sys.exit(130)",
        130,
    ),
    "SIGTERM": Way(KILL.format("time.sleep(0.6)"), -SIGTERM),
    "SIGTERM handled": Way(KILL.format(HANDLED.format("sys.exit(4)")), 4),
    "SIGTERM handled, and on": Way(KILL.format(HANDLED.format("None"))),
    "SIGTERM asks": Way(KILL.format(HANDLED.format("ask(), sys.exit(5)")), 5, 2),
    "SIGTERM ignored": Way(KILL.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)")),
    "SIGTERM twice": Way(
        KILL.format(HANDLED.format("signal.signal(signal.SIGTERM, signal.SIG_DFL)"))
        + "time.sleep(0.6)\nos.kill(os.getpid(), signal.SIGTERM)",
        -SIGTERM,
    ),
    "no handler is replaced": Way(
        "import signal\nask()\nprint([(number, signal.getsignal(number)) for number in signal.valid_signals()])"
    ),
    "os._exit": Way("ask(); print('gone', flush=True); os._exit(7)", 7, None),
    "a thread exits": Way(
        "import threading\nthread = threading.Thread(target=lambda: (ask(), sys.exit(9)))\nthread.start(); thread.join()"
    ),
    "a thread ends the program": Way(
        "import _thread, threading\nthreading.Thread(target=lambda: (ask(), _thread.interrupt_main())).start()\ntime.sleep(9)",
        -SIGINT,
    ),
    "a thread goes on": Way(
        "import threading\nthreading.Thread(target=lambda: (time.sleep(0.3), print(ask()))).start()"
    ),
    "an executor still works": Way(
        "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(2)\n"
        "futures = [pool.submit(ask) for _ in range(4)]\nprint('main is over')",
        spans=4,
    ),
    "tasks are pending": Way(
        "import asyncio\naclient = openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(verify=False), max_retries=0)\n"
        "async def wait(model):\n"
        "    try:\n"
        "        await aclient.chat.completions.create(model=model, messages=[])\n"
        "    except asyncio.CancelledError:\n"
        "        print('cancelled'); raise\n"
        "async def main():\n"
        "    tasks = [asyncio.create_task(wait('slow')) for _ in range(3)]\n"
        "    await wait('m')\n"
        "    await asyncio.sleep(0.1)\n"
        "asyncio.run(main())",
        spans=4,
    ),
    "threading's own exit handlers": Way("import threading\nthreading._register_atexit(ask)"),
    "exit handlers before ours": Way("import atexit\natexit.register(lambda: print(ask()))\nask()", spans=2),
    "exit handlers after ours": Way(
        "ask()", spans=3, before="import atexit\natexit.register(lambda: print(ask(), ask()))\n"
    ),
    "exit handlers of both kinds": Way(
        "import atexit\natexit.register(lambda: print(ask()))\natexit.register(lambda: print(ask()))",
        spans=3,
        before="import atexit\natexit.register(lambda: print(ask()))\n",
    ),
    "a handler that raises": Way("import atexit\natexit.register(lambda: 1 / 0)\nask()"),
    "a finalizer": Way("import weakref\nclass Thing: pass\nthing = Thing()\nweakref.finalize(thing, ask)"),
    "__del__": Way("class Thing:\n    def __del__(self): print(ask())\nthing = Thing()\ndel thing"),
    "__del__ at the very end": Way(
        "class Thing:\n    def __del__(self, ask=ask, print=print):\n        print(ask())\nthing = Thing()\nask()",
        spans=None,
    ),
    "a stream is left": Way(
        "stream = client.chat.completions.create(model='m', messages=[], stream=True)\nfor chunk in stream: break\nsys.exit(6)",
        6,
    ),
}


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(
            lambda request: (
                chat_stream()
                if request.json.get("stream")
                else replace(chat("Hello"), wait=0.5 if request.json["model"] == "slow" else 0.0)
            )
        )
        yield server


def test_a_process_ends_as_without_us(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    programs: list[tuple[str, Mapping[str, str]]] = []
    for name, way in WAYS.items():
        code = way.before + PRELUDE + way.code
        hooked = {**braintrust_api.env(), "BRAINTRUST_PROJECT_NAME": name, "BTTRACE_SPOOL_DIR": str(tmp_path)}
        programs += [(code, {}), (code, hooked)]
    ended = endings(programs, provider, tmp_path)
    wrong: list[tuple[object, ...]] = []
    for (name, way), bare, hooked_end in zip(WAYS.items(), ended[::2], ended[1::2], strict=True):
        told = len(braintrust_api.rows(name))
        if hooked_end.seen != bare.seen or hooked_end.said or bare.code != way.exit_code:
            wrong.append((name, bare, hooked_end))
        elif way.spans not in (None, told):
            wrong.append((name, told, hooked_end))
    assert wrong == []
    assert set(braintrust_api.deliveries.values()) == {1}

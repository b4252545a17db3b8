"""Who waits at an exit can be hurried, and what comes in between never waits for itself."""

from pathlib import Path
from signal import SIGTERM

import pytest

from tests.exits.endings import OVER, PRELUDE, Ending, endings
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat

KILLED = """
import signal, subprocess
{0}
ask()
subprocess.Popen(["sh", "-c", f"sleep 2; kill -{1} {{os.getpid()}}"])
"""
SAYS = "signal.signal(signal.SIGTERM, lambda *_: (print('handled', flush=True), {0}))"
LOG_HANDLER = """
import logging, threading
class Asking(logging.Handler):
    def emit(self, record):
        {0}
        print("heard", threading.current_thread().name, flush=True)
logging.getLogger("bttrace").addHandler(Asking())
ask()
time.sleep(0.5)
"""
UNREAD = """
_, full = os.pipe()
os.set_blocking(full, False)
try:
    while True:
        os.write(full, bytes(4096))
except BlockingIOError:
    pass
os.set_blocking(full, True)
os.dup2(full, 2)
ask()
time.sleep(0.5)
"""
RAISES = """
import logging
class Broken(logging.Handler):
    def emit(self, record):
        raise LookupError("the application's own")
logging.getLogger("bttrace").addHandler(Broken())
ask()
time.sleep(0.5)
"""
FINALIZERS = """
import gc, logging, bttrace
class Cycle:
    def __init__(self, more): self.itself, self.more = self, more
    def __del__(self):
        logging.getLogger("bttrace").warning("from a finalizer")
        bttrace.flush(0.2), bttrace.status()
        if self.more:
            ask()
for number in range(30):
    Cycle(number < 5)
    gc.set_threshold(1 + number % 7, 1, 1)
    if number < 8:
        ask()
gc.set_threshold(700)
print("asked")
"""
SIGNALLED = """
import bttrace, signal, threading
flushed = []
signal.signal(signal.SIGUSR1, lambda *_: flushed.append(bttrace.flush(0.05)))
main, ends = threading.get_ident(), threading.Event()
def pester():
    while not ends.wait(0.002):
        signal.pthread_kill(main, signal.SIGUSR1)
pest = threading.Thread(target=pester)
pest.start()
for _ in range(10):
    ask()
ends.set(), pest.join()
print(len(flushed) > 10, True in flushed)
"""


@pytest.fixture
def provider() -> ProviderServer:
    server = ProviderServer()
    server.reply(chat("Hello"))
    return server


def _ended(code: str, env: dict[str, str], provider: ProviderServer, folder: Path) -> Ending:
    spool = {"BTTRACE_SPOOL_DIR": str(folder / "spool")}
    with provider:
        [ended] = endings([(PRELUDE + code + OVER, {**env, **spool})], provider, folder)
    return ended


@pytest.mark.parametrize(
    ("signal", "before", "code", "out"),
    [
        ("INT", "", 0, ""),
        ("TERM", "", -SIGTERM, ""),
        ("TERM", SAYS.format("None"), 0, "handled\n"),
        ("TERM", SAYS.format("sys.exit(7)"), 0, "handled\n"),
    ],
)
def test_a_signal_ends_the_wait_of_an_exit(
    braintrust_api: BraintrustServer,
    provider: ProviderServer,
    tmp_path: Path,
    signal: str,
    before: str,
    code: int,
    out: str,
) -> None:
    """Where the application's handler only takes notice, the wait goes on, as its own would."""
    braintrust_api.fault("/", times=None, hang=True)
    env = {**braintrust_api.env(), "BTTRACE_EXIT_TIMEOUT": "5" if "None" in before else "15"}
    ended = _ended(KILLED.format(before, signal), env, provider, tmp_path)
    printed = ended.out.splitlines()
    assert (ended.code, "".join(f"{line}\n" for line in printed if "over" not in line)) == (code, out)
    assert "Traceback" not in ended.err
    over = next(line for line in printed if "over" in line)
    assert ended.at - float(over.split()[1]) < 12


@pytest.mark.parametrize(
    "act", ["import bttrace; bttrace.flush(9)", "bttrace.disable()", "ask()", "bttrace.status()"]
)
def test_a_log_handler_can_do_what_the_application_can(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path, act: str
) -> None:
    braintrust_api.fault("/", times=None, status=401)
    env = {**braintrust_api.env(), "BTTRACE_EXIT_TIMEOUT": "2"}
    ended = _ended(LOG_HANDLER.format(act), env, provider, tmp_path)
    assert ended.code == 0, ended
    assert "heard bttrace-delivery" in ended.out
    assert ended.delay < 8, ended
    assert "Traceback" not in ended.err


def test_a_log_handler_that_raises_disturbs_nobody(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    braintrust_api.fault("/", times=None, status=401)
    ended = _ended(RAISES, braintrust_api.env(), provider, tmp_path)
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("exporter", ["braintrust", "console"])
def test_a_standard_error_that_nobody_reads_holds_up_nobody(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path, exporter: str
) -> None:
    """A thread that waits in its buffer while the interpreter goes down aborts the process."""
    braintrust_api.fault("/", times=None, status=401)
    env = {**braintrust_api.env(), "BTTRACE_EXPORTER": exporter, "BTTRACE_EXIT_TIMEOUT": "1"}
    ended = _ended(UNREAD, env, provider, tmp_path)
    assert (ended.code, ended.seen[1]) == (0, "")
    assert ended.delay < 8


def test_a_finalizer_that_logs_asks_and_flushes_waits_for_nobody(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    """Garbage is collected at every few allocations: while locks of ours are held too, on every thread of ours."""
    ended = _ended(FINALIZERS, braintrust_api.env(), provider, tmp_path)
    assert ended.code == 0, ended
    assert ended.out.startswith("asked\n")
    assert set(ended.err.splitlines()) == {"from a finalizer"}
    assert len(braintrust_api.rows()) == 13
    assert set(braintrust_api.deliveries.values()) == {1}


def test_a_signals_handler_that_flushes_waits_for_nobody(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    ended = _ended(SIGNALLED, braintrust_api.env(), provider, tmp_path)
    assert (ended.code, ended.seen[1], ended.err) == (0, "True True\n", ""), ended.err
    assert len(braintrust_api.rows()) == 10

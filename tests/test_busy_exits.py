"""A process whose daemon threads go on calling until the very end: it ends as without us, every time."""

import re
from pathlib import Path

import pytest

from tests.exits.endings import PRELUDE, endings
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat

BUSY = """
import logging, threading
logging.getLogger("bttrace").setLevel("DEBUG")
def work():
    while True:
        try:
            ask()
        except Exception:
            pass
ask()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(PAUSE)
"""
NEVER = re.compile(r"Fatal|Traceback|at interpreter shutdown|new futures|internal error")


@pytest.mark.parametrize("exits", [24, pytest.param(201, marks=pytest.mark.long)])
def test_a_busy_daemon_thread_disturbs_no_exit(tmp_path: Path, exits: int) -> None:
    """A third is sent; a third is refused and said; a third is printed, on a thread of ours, as it comes."""
    with BraintrustServer() as server, ProviderServer() as provider:
        provider.reply(chat("Hello"))
        refused = {**server.env(), "BRAINTRUST_API_URL": "http://127.0.0.1:9"}
        kinds = [server.env(), refused, {**server.env(), "BTTRACE_EXPORTER": "console"}]
        more = {"BTTRACE_EXIT_TIMEOUT": "0.1", "BTTRACE_SPOOL": "off"}
        programs = [
            (
                PRELUDE + BUSY.replace("PAUSE", f"{0.02 + number % 20 / 500:.3f}"),
                {**kinds[number % 3], **more},
            )
            for number in range(exits)
        ]
        ended = endings(programs, provider, tmp_path)
    assert [one for one in ended if one.code != 0 or one.out or NEVER.search(one.err)] == []
    assert [len(one.said) for one in ended[1::3]] == [1] * (exits // 3)
    assert all("llm.generation" in one.err for one in ended[2::3])

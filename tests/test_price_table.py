"""When the price table is loaded, by whom, and what happens without it: in processes of their own."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.doors import LOCAL, PYTHON, ROOT, RUN, Finished, environment, finished, journal_rows
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

PRICED = {"BTTRACE_PRICES": "true"}
# Tells which thread first looks for the table, and where sockets lead.
CALL = """
import json, sys, threading
told = {"by": None, "early": None, "hosts": [], "threads": []}
def heard(event, given):
    if event == "import" and given[0] == "genai_prices" and told["by"] is None:
        told["by"] = threading.current_thread().name
    if event == "socket.connect" and isinstance(given[1], tuple):
        told["hosts"].append(given[1][0])
sys.addaudithook(heard)
import openai, bttrace
bttrace.enable()
client = openai.OpenAI()
told["early"] = "genai_prices" in sys.modules
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
bttrace.flush(30)
told["late"] = "genai_prices" in sys.modules
told["threads"] = [one.name for one in threading.enumerate()]
print(json.dumps(told))
"""


def ran(
    provider: ProviderServer, folder: Path, *variables: Mapping[str, str], python: tuple[str, ...] = RUN
) -> Finished:
    provider.reply(replies.chat("Hello"))
    together = {name: value for given in (provider.env(), *variables) for name, value in given.items()}
    done = finished([*python, "-c", CALL], environment(together), folder)
    assert done.code == 0, done.err
    return done


def cost(folder: Path) -> Any:
    [row] = journal_rows(folder / ".bttrace")
    return row["metrics"].get("estimated_cost")


def test_the_writer_loads_it_with_the_first_call_and_fetches_nothing(
    provider: ProviderServer, tmp_path: Path
) -> None:
    pytest.importorskip("genai_prices")
    done = ran(provider, tmp_path, LOCAL, PRICED)
    told = done.json
    assert (told["by"], told["early"], told["late"]) == ("bttrace-writer", False, True)
    assert set(told["hosts"]) == {"127.0.0.1"}
    assert set(told["threads"]) <= {"MainThread", "bttrace-writer"}
    assert cost(tmp_path) == pytest.approx((8 * 0.15 + 3 * 0.075 + 7 * 0.60) / 1e6)
    assert done.said == []


@pytest.mark.parametrize("exporter", ["braintrust", "local"])
def test_nobody_loads_it_who_needs_none(
    exporter: str, braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    """Braintrust puts prices on tokens itself; a journal may be asked to have none."""
    variables = {"BTTRACE_EXPORTER": exporter, "BTTRACE_PRICES": "false" if exporter == "local" else "true"}
    told = ran(provider, tmp_path, braintrust_api.env(), variables).json
    assert (told["by"], told["late"]) == (None, False)


def test_the_console_tells_it(provider: ProviderServer, tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    done = ran(provider, tmp_path, {"BTTRACE_EXPORTER": "console"}, PRICED)
    [line] = [line for line in done.err.splitlines() if line.startswith("llm.generation")]
    assert line.endswith("  $0.0000056")


def test_without_the_extra_nothing_is_computed_and_nothing_is_said(
    provider: ProviderServer, tmp_path: Path
) -> None:
    """The environment is this one but for the table: its packages are led to one by one."""
    python = bare(tmp_path / "packages", without="genai_prices")
    packages = {"PYTHONPATH": f"{tmp_path / 'packages'}:{ROOT / 'src'}"}
    done = ran(provider, tmp_path, LOCAL, PRICED, packages, python=python)
    assert (done.json["by"], done.json["late"]) == (None, False)
    assert cost(tmp_path) is None
    assert done.said == []


def test_a_table_that_is_too_old_is_left_alone(provider: ProviderServer, tmp_path: Path) -> None:
    """One that does not know the prices of service tiers would take those of the usual one."""
    python = bare(tmp_path / "packages", without="genai_prices")
    old = tmp_path / "old"
    (old / "genai_prices").mkdir(parents=True)
    (old / "genai_prices" / "__init__.py").write_text("raise RuntimeError('loaded')")
    (old / "genai_prices-0.0.50.dist-info").mkdir()
    (old / "genai_prices-0.0.50.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: genai-prices\nVersion: 0.0.50\n"
    )
    packages = {"PYTHONPATH": f"{old}:{tmp_path / 'packages'}:{ROOT / 'src'}"}
    done = ran(provider, tmp_path, LOCAL, PRICED, packages, python=python)
    assert cost(tmp_path) is None
    assert done.said == []


def bare(folder: Path, *, without: str) -> tuple[str, ...]:
    """Leads to each installed package but one; gives the Python that knows no others."""
    folder.mkdir()
    for package in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not package.name.startswith((without, "__", "_bttrace")) and package.suffix != ".pth":
            (folder / package.name).symlink_to(package)
    return (PYTHON, "-S")

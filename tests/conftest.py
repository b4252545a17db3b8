"""What every test shares: our own faults are raised, and nothing of the developer's environment leaks in."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import bttrace
from bttrace.environment import SIGNS
from tests import clients
from tests.doors import fresh_spool
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.machines import Machine
from tests.patience import SECONDS
from tests.sinks import Sinks

_STRANGERS = ("BTTRACE_", "BRAINTRUST_", "OPENAI_", "ANTHROPIC_", "PYTHONPATH")

clients.follow()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a shell, whose programs all inherit it; here many are to be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A client reads the certificates of all the world for 30 ms. There are thousands here, and none speaks TLS.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))
if find_spec("hypothesis"):  # not in the environments of the matrix
    from hypothesis import HealthCheck, settings

    # How quick a machine is, is no property of what is tested.
    settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("ours")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_STRANGERS) or name in SIGNS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("BTTRACE_STRICT", "1")
    monkeypatch.setenv(
        "BTTRACE_PRICES", "false"
    )  # what is computed changes with the table; `test_prices` asks for it
    monkeypatch.setenv("BTTRACE_SPOOL_DIR", fresh_spool())


@pytest.fixture(scope="module")
def quick_collections() -> Iterator[None]:
    """Keeps the SDKs' many objects out of the collections that a module's tests ask for."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def braintrust_api() -> Iterator[BraintrustServer]:
    with BraintrustServer() as server:
        yield server


@pytest.fixture
def machine(braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path) -> Machine:
    provider.reply(replies.chat("Hello"))
    return Machine(braintrust_api, provider, tmp_path)


@pytest.fixture
def sinks(braintrust_api: BraintrustServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sinks]:
    monkeypatch.setattr("bttrace.sinks.braintrust._ESTATE_TIMEOUT", SECONDS)  # a busy machine takes long
    made = Sinks(braintrust_api)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _off_afterwards(_clean_environment: None) -> Iterator[None]:
    yield
    bttrace.disable()
    clients.close()

"""Whatever the endpoint does, an exit waits no longer than it may, and is otherwise as without us."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.exits.endings import OVER, PRELUDE, Ending, endings
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.loopback.silence import deaf, mute

TIMEOUT = 0.8
MARGIN = 1.0  # seconds, on a busy machine
ABSURD = {"retry-after": "1e400"}
FAULTS: dict[str, tuple[str, dict[str, object]]] = {
    "login hangs": ("/api/apikey/login", {"hang": True}),
    "look-up hangs": ("/v1/project", {"hang": True}),
    "insert hangs": ("/v1/project_logs", {"hang": True}),
    "401": ("/", {"status": 401}),
    "413": ("/v1/project_logs", {"status": 413}),
    "429": ("/", {"status": 429, "headers": {"retry-after": "60"}}),
    "429, absurdly": ("/", {"status": 429, "headers": ABSURD}),
    "429, no number": ("/", {"status": 429, "headers": {"retry-after": "nan"}}),
    "500": ("/", {"status": 500}),
    "drops": ("/", {"drop": True}),
    "drops in the body": ("/", {"cut": True}),
    "drips its head": ("/", {"drip_head": True}),
    "drips its body": ("/", {"drip": True}),
}
ADDRESSES = ["refuses", "is deaf", "is mute", "is deaf, with TLS", "TLS never begins"]


def _led_astray(stack: ExitStack, fault: str) -> dict[str, str]:
    """Gives the variables that lead to an address where nobody answers."""
    port = 9 if fault == "refuses" else stack.enter_context(deaf() if "deaf" in fault else mute())
    url = f"{'https' if 'TLS' in fault else 'http'}://127.0.0.1:{port}"
    return {"BRAINTRUST_API_KEY": "k", "BRAINTRUST_API_URL": url, "BRAINTRUST_APP_URL": url}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ending]]:
    """How the same program ended before each of the endpoints, and bare."""
    with ExitStack() as stack:
        provider = stack.enter_context(ProviderServer())
        provider.reply(chat("Hello"))
        variables: dict[str, dict[str, str]] = {"bare": {}}
        for name, (path, fault) in FAULTS.items():
            server = stack.enter_context(BraintrustServer())
            server.fault(path, times=None, **fault)  # type: ignore[arg-type]
            variables[name] = server.env()
            if path == "/api/apikey/login":
                del variables[name]["BRAINTRUST_API_URL"]
        for name in ADDRESSES:
            variables[name] = _led_astray(stack, name)
        folder = tmp_path_factory.mktemp("exits")
        spool = {"BTTRACE_EXIT_TIMEOUT": str(TIMEOUT), "BTTRACE_SPOOL_DIR": str(folder / "spool")}
        programs = [
            (PRELUDE + "print(ask())\n" + OVER, {**env, **(spool if env else {})})
            for env in variables.values()
        ]
        yield dict(zip(variables, endings(programs, provider, folder), strict=True))


@pytest.mark.parametrize("fault", [*FAULTS, *ADDRESSES])
def test_an_exit_is_delayed_no_longer_than_it_may_be(ended: dict[str, Ending], fault: str) -> None:
    hooked, bare = ended[fault], ended["bare"]
    assert hooked.seen == bare.seen == (0, "Hello\n", "")
    assert hooked.delay - bare.delay < TIMEOUT + MARGIN
    assert 1 <= len(hooked.said) <= 2, hooked.err

"""A request ends at its deadline, however slowly its answer comes."""

import logging
import time

import pytest

from bttrace.process.worker import acting
from bttrace.sinks.transport import Transport, Unavailable
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.silence import deaf, mute

MARGIN = 10.0


def _asked(url: str, seconds: float, body: bytes | None = None) -> float:
    """Gives how long a request took to get no answer."""
    transport = Transport()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        transport.answer("POST", url, {}, body, began + seconds)
    transport.close()
    return time.monotonic() - began


@pytest.mark.parametrize("way", ["drip", "drip_head", "hang"])
def test_an_answer_that_drips_is_given_up_at_the_deadline(braintrust_api: BraintrustServer, way: str) -> None:
    braintrust_api.fault("/", times=None, **{way: True})  # type: ignore[arg-type]
    assert 1.4 < _asked(f"{braintrust_api.url}/api/apikey/login", 1.5, b"{}") < 1.5 + MARGIN


def test_so_is_a_host_that_takes_no_connection_or_never_speaks_tls() -> None:
    with deaf() as port:
        assert 0.4 < _asked(f"http://127.0.0.1:{port}", 0.5) < 0.5 + MARGIN
        assert 0.4 < _asked(f"https://127.0.0.1:{port}", 0.5) < 0.5 + MARGIN
    with mute() as port:
        assert 0.4 < _asked(f"https://127.0.0.1:{port}", 0.5) < 0.5 + MARGIN


def test_so_is_a_proxy_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    with mute() as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        assert 0.4 < _asked("https://example.invalid", 0.5) < 0.5 + MARGIN


def test_a_body_that_nobody_reads_is_given_up_at_the_deadline() -> None:
    with mute() as port:
        assert 0.4 < _asked(f"http://127.0.0.1:{port}", 0.5, b"x" * 2**25) < 0.5 + MARGIN


def test_a_connection_serves_many_requests_after_it(braintrust_api: BraintrustServer) -> None:
    transport = Transport()
    headers = {"Authorization": f"Bearer {braintrust_api.key}"}
    for patience in (1.0, 20.0, 1.0):
        time.sleep(1.01)  # as long as the request before it could have taken
        answer = transport.answer(
            "POST", f"{braintrust_api.url}/api/apikey/login", headers, b"{}", time.monotonic() + patience
        )
        assert answer.status == 200
        assert b"org_info" in answer.data
    assert braintrust_api.connections == 1
    transport.close()


def test_the_applications_log_does_not_tell_of_our_requests(
    braintrust_api: BraintrustServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = Transport()

    def ask() -> None:
        url = f"{braintrust_api.url}/api/apikey/login"
        transport.answer("POST", url, {}, b"{}", time.monotonic() + 5)

    with acting():  # as on a thread of ours
        ask()
    assert caplog.records == []
    ask()
    assert {record.name.partition(".")[0] for record in caplog.records} == {"urllib3"}
    transport.close()
    with acting():
        ask()
    assert len({record.threadName for record in caplog.records}) == 1

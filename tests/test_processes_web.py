"""gunicorn and uvicorn as they are run in production: every span of every worker once, whatever ends the worker."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doors import FOLDER, PYTHON, environment
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

PROGRAMS = Path(__file__).parent / "processes"
PATIENCE = 40  # seconds until a service listens, or has ended

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Service:
    """A web server under the hook."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        """Makes a request; gives the status and the body of the answer."""
        deadline = time.monotonic() + PATIENCE
        asked = urllib.request.Request(f"{self.url}{path}", headers=headers or {}, method=method)
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, refused.read().decode()
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def ask(self, text: str) -> int:
        """Makes a request; gives the process that answered."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/{text}", timeout=PATIENCE) as answer:
                    self.asked.append(text)
                    return int(answer.read())
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(
    braintrust: BraintrustServer, provider: ProviderServer, module: str, *options: str, cwd: Path = PROGRAMS
) -> Iterator[Service]:
    if not importlib.util.find_spec(module):
        pytest.skip(f"{module} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider.reply(lambda request: replies.chat(request.json["messages"][0]["content"]))
    address = ["--bind", f"127.0.0.1:{port}"] if module == "gunicorn" else ["--port", str(port)]
    env = environment({**braintrust.env(), **provider.env()}, FOLDER, PROGRAMS)
    command = [PYTHON, "-m", module, *address, *options]
    process = subprocess.Popen(command, env=env, cwd=cwd, stderr=subprocess.PIPE, text=True)
    try:
        yield Service(process, port)
        said = process.communicate(timeout=PATIENCE)[1]
        assert not [line for line in said.splitlines() if line.startswith("bttrace: ")], said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def expect(braintrust: BraintrustServer, provider: ProviderServer, service: Service) -> None:
    """Sees that each request made a span, and one only; a request may have been made twice by `ask`."""
    asked = sorted(request.json["messages"][0]["content"] for request in provider.requests)
    assert sorted(row["input"][0]["content"] for row in braintrust.rows()) == asked
    assert set(asked) == set(service.asked)
    assert set(braintrust.deliveries.values()) == {1}


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (("--workers", "2"), signal.SIGTERM),
        (("--worker-class", "gthread", "--threads", "2", "--preload", "--workers", "2"), signal.SIGTERM),
        (("--worker-class", "gevent"), signal.SIGTERM),
        (("--workers", "2"), signal.SIGQUIT),
    ],
    ids=["sync", "gthread-preload", "gevent", "quit"],
)
def test_gunicorn(
    braintrust_api: BraintrustServer, provider: ProviderServer, options: tuple[str, ...], number: int
) -> None:
    if "gevent" in options and not importlib.util.find_spec("gevent"):
        pytest.skip("gevent is not installed")
    with serving(braintrust_api, provider, "gunicorn", *options, "web:wsgi") as service:
        for text in range(6):
            service.ask(f"call-{text}")
        assert service.end(number) == 0
    expect(braintrust_api, provider, service)


def test_gunicorn_restarts_its_workers(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    with serving(
        braintrust_api, provider, "gunicorn", "--preload", "--max-requests", "2", "web:wsgi"
    ) as service:
        workers = {service.ask(f"call-{text}") for text in range(5)}
        service.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while (
            after := service.ask(f"later-{len(service.asked)}")
        ) in workers and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(workers) > 1
        assert after not in workers
        assert service.end(signal.SIGTERM) == 0
    expect(braintrust_api, provider, service)


def test_uvicorn_workers(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    with serving(braintrust_api, provider, "uvicorn", "--workers", "2", "web:asgi") as service:
        for text in range(6):
            service.ask(f"call-{text}")
        service.end(signal.SIGTERM)
    expect(braintrust_api, provider, service)


def test_uvicorn_alone(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    """It ends itself by the signal that asked it to stop, so that no exit handler runs."""
    with serving(braintrust_api, provider, "uvicorn", "web:asgi") as service:
        for text in range(3):
            service.ask(f"call-{text}")
        assert service.end(signal.SIGTERM) == -signal.SIGTERM
    expect(braintrust_api, provider, service)


def test_uvicorn_reloads(braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path) -> None:
    for name in ("web.py", "asking.py"):
        (tmp_path / name).write_text((PROGRAMS / name).read_text())
    with serving(
        braintrust_api, provider, "uvicorn", "--reload", "--reload-delay", "0.1", "web:asgi", cwd=tmp_path
    ) as service:
        before = service.ask("before")
        (tmp_path / "web.py").write_text((PROGRAMS / "web.py").read_text() + "# touched\n")
        deadline = time.monotonic() + PATIENCE
        while service.ask(f"after-{len(service.asked)}") == before and time.monotonic() < deadline:
            time.sleep(0.2)
        service.end(signal.SIGINT if sys.platform == "win32" else signal.SIGTERM)
    assert any(text.startswith("after") for text in service.asked)
    expect(braintrust_api, provider, service)

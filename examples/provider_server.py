"""A provider on loopback that speaks the protocols of OpenAI and Anthropic, so that the agents need no key.

    python provider_server.py --port 8400              serves until Ctrl-C, and prints what to export
    python provider_server.py -- COMMAND ARGS...       serves while COMMAND runs, and exits with its exit code

Owns HTTP, the pace of the answers, and the command line. What is said it leaves to `provider_model`, and how
that looks on the wire to one module for each protocol.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from provider_anthropic import MESSAGES
from provider_openai import CHAT_COMPLETIONS
from provider_protocols import Endpoint, Refusal, fresh_id
from provider_responses import RESPONSES

ENDPOINTS = {"/v1/chat/completions": CHAT_COMPLETIONS, "/v1/responses": RESPONSES, "/v1/messages": MESSAGES}
FIRST_FRAME_SECONDS = 0.020
FIRST_CONTENT_SECONDS = 0.040
FRAME_SECONDS = 0.008


class ProviderServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the default of 5 resets connections when many agents start at once

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that left is nothing to report
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def variables(self) -> dict[str, str]:
        """What to set in the environment of an application, for its SDK to come here."""
        origin = f"http://127.0.0.1:{self.server_port}"
        return {
            "OPENAI_BASE_URL": f"{origin}/v1",
            "OPENAI_API_KEY": "sk-proj-loopback",
            "ANTHROPIC_BASE_URL": origin,
            "ANTHROPIC_API_KEY": "sk-ant-loopback",
        }


class ProviderHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else small frames wait for each other, and the pace below means nothing

    def do_POST(self) -> None:
        body = self._body()
        endpoint = ENDPOINTS.get(self.path.partition("?")[0])
        if endpoint is None:
            return self._refuse(404, f"There is nothing at {self.command} {self.path}")
        try:
            request = json.loads(body)
        except ValueError:
            return self._refuse(400, "The body of the request is not JSON.")
        if not isinstance(request, dict):
            return self._refuse(400, "The body of the request is not a JSON object.")
        try:
            whole = endpoint.whole(request)
        except Refusal as refusal:
            return self._refuse(refusal.status, refusal.message)
        frames = list(endpoint.frames(whole, request))
        if request.get("stream") is True:
            return self._stream(endpoint, frames)
        time.sleep(FIRST_FRAME_SECONDS + FIRST_CONTENT_SECONDS + FRAME_SECONDS * len(frames))
        return self._send(200, whole, endpoint.request_id_header, fresh_id("req_", 24))

    def do_GET(self) -> None:
        self._body()
        self._refuse(404, f"There is nothing at {self.command} {self.path}")

    do_PUT = do_PATCH = do_DELETE = do_GET

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        return self.rfile.read(int(length)) if length.isdecimal() else b""

    def _refuse(self, status: int, message: str) -> None:
        """Answers in the shape of the provider that is meant: an Anthropic request names its API version."""
        endpoint = MESSAGES if "anthropic-version" in self.headers else CHAT_COMPLETIONS
        request_id = fresh_id("req_", 24)
        answer = endpoint.error(status, message, request_id)
        self._send(status, answer, endpoint.request_id_header, request_id)

    def _send(self, status: int, answer: object, request_id_header: str, request_id: str) -> None:
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header(request_id_header, request_id)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, endpoint: Endpoint, frames: list[str]) -> None:
        time.sleep(FIRST_FRAME_SECONDS)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header(endpoint.request_id_header, fresh_id("req_", 24))
            self.end_headers()
            for index, frame in enumerate(frames):
                if index:
                    time.sleep(FIRST_CONTENT_SECONDS if index == 1 else FRAME_SECONDS)
                data = frame.encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.close_connection = True  # the application has left the stream early, as it may

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the terminal belongs to the application."""


def run_beside(server: ProviderServer, command: list[str]) -> int:
    """The exit code of the command, as a shell would give it, run with the server's variables set."""
    try:
        process = subprocess.Popen(command, env={**os.environ, **server.variables})
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126

    def forward(number: int, _frame: FrameType | None) -> None:
        # A Ctrl-C goes from the terminal to the whole group: sent on, the command would see it twice.
        if number != signal.SIGINT or not os.isatty(0):
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    code = process.wait()
    return code if code >= 0 else 128 - code


def main() -> int:
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(usage="%(prog)s [--port PORT] [-- COMMAND ARGS...]", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--port", type=int, help="8400 if there is no command, else any free one")
    options = parser.parse_args(arguments[:cut])
    command = arguments[cut + 1 :]
    if cut < len(arguments) and not command:
        parser.error("there is no command after --")

    port = options.port if options.port is not None else 0 if command else 8400
    with ProviderServer(("127.0.0.1", port), ProviderHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if command:
            return run_beside(server, command)
        for name, value in server.variables.items():
            print(f"export {name}={value}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
        return 0


if __name__ == "__main__":
    sys.exit(main())

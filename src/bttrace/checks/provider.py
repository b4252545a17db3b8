"""A provider on loopback that answers one call of an SDK, so that none needs a network or a key."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

MODEL = "bttrace-check"
ASKED = "Does a span of this call arrive?"
_ANSWERED = "It does, if you read this there. It was made by bttrace check."
_MESSAGES = "/messages"  # how the path of Anthropic's calls ends; all others are OpenAI's


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps(_message() if self.path.endswith(_MESSAGES) else _completion()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Writes nothing."""


def _completion() -> dict[str, object]:
    message = {"role": "assistant", "content": _ANSWERED}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": MODEL, "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}


def _message() -> dict[str, object]:
    content = [{"type": "text", "text": _ANSWERED}]
    told = {"id": MODEL, "type": "message", "role": "assistant", "model": MODEL, "content": content}
    return {**told, "stop_reason": "end_turn", "stop_sequence": None}


def started() -> str:
    """Starts the provider, for as long as the process lives; gives its address."""
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"

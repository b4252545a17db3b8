"""A streamed message as Amazon Bedrock sends it: frames of AWS's event stream, each with one event as base64.

Frame: total length, length of the headers, their checksum, the headers, the payload, the checksum of it all.
"""

import base64
import json
import struct
import zlib
from dataclasses import replace

from tests.loopback.reply import Reply

_STREAM = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "req_loopback_bedrock"}
_TEXT = 7
"""The type of a header whose value is a string."""


def bedrock(reply: Reply) -> Reply:
    """The same stream, as Bedrock would send it."""
    sent = [event.partition(b"data: ")[2].strip() for event in reply.events]
    return replace(
        reply, headers=_STREAM, events=tuple(_frame("event", "chunk", _wrapped(data)) for data in sent)
    )


def bedrock_error_event(message: str = "Too many requests", kind: str = "throttlingException") -> bytes:
    """The frame with which Bedrock breaks off a stream that has begun."""
    return _frame("exception", kind, json.dumps({"message": message}).encode())


def _wrapped(data: bytes) -> bytes:
    return json.dumps({"bytes": base64.b64encode(data).decode()}).encode()


def _frame(message: str, kind: str, payload: bytes) -> bytes:
    named = {":message-type": message, f":{message}-type": kind, ":content-type": "application/json"}
    headers = b"".join(_header(name, value) for name, value in named.items())
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def _header(name: str, value: str) -> bytes:
    return (
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value)) + value.encode()
    )

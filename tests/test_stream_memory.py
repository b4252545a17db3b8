"""What is held of a long stream while an application reads it: little more than its text, nothing of its chunks.

Each program reads a stream of the real SDK to just before its end and tells by how much the process has grown since a
short one: by the fold, what waits for the writer, and whatever a chunk would leave behind. Bare, it grows by some kilobytes.
"""

import sys
from pathlib import Path

import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, environment, finished

CHUNKS = 100_000
PIECE = 100  # characters of text in a chunk
ALLOWED = 2.0  # bytes for each byte of text
NOISE = 16_000_000  # bytes that the allocator may keep; the chunks themselves would be over 100 million

PROGRAM = """
import gc, resource, sys, time
from tests.apis import CHAT, MESSAGES, RESPONSES
api = {row.name: row for row in (CHAT, RESPONSES, MESSAGES)}[sys.argv[1]]
chunks, piece = int(sys.argv[2]), int(sys.argv[3])
httpx = api.sdk._base_client.httpx2 if hasattr(api.sdk._base_client, "httpx2") else api.sdk._base_client.httpx
whole = api.streamed(["@"])
[place] = [number for number, event in enumerate(whole.events) if b"delta" in event and b'"@"' in event and b"done" not in event]

class Body(httpx.SyncByteStream):
    def __init__(self, count):
        self.count = count
    def __iter__(self):
        yield b"".join(whole.events[:place])
        for number in range(self.count):
            yield whole.events[place].replace(b'"@"', b'"%0*d"' % (piece, number))

class Transport(httpx.BaseTransport):
    count = 200
    def handle_request(self, request):
        return httpx.Response(200, headers=dict(whole.headers), stream=Body(self.count), request=request)

transport = Transport()
make = api.sdk.OpenAI if api.sdk.__name__ == "openai" else api.sdk.Anthropic
client = make(api_key="k", http_client=httpx.Client(transport=transport))

def read(count):
    transport.count = count
    stream = api.resource(client).create(**api.given, stream=True)
    for _ in range(count):  # the last chunks stay unread
        next(stream)
    return stream

read(200).close()  # what is made once
time.sleep(0.3)
gc.collect()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

before = resident()
stream = read(chunks)
for _ in range(100):
    time.sleep(0.1)  # until the writer has folded what waits
    gc.collect()
    held = resident() - before
    if held < chunks * piece * 2:
        break
print(held)
"""


def grown_by(api: str, folder: Path) -> int:
    """Gives the bytes of memory by which a process has grown when all but the end of a stream has been read."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    env = environment(LOCAL, Path(__file__).parents[1], FOLDER)
    done = finished([PYTHON, program, api, str(CHUNKS), str(PIECE)], env, folder)
    assert done.code == 0, done.err
    return int(done.out)


@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is read from /proc")
@pytest.mark.parametrize(
    "api",
    ["chat.completions", *(pytest.param(name, marks=pytest.mark.long) for name in ("responses", "messages"))],
)
def test_a_stream_of_a_hundred_thousand_chunks(api: str, tmp_path: Path) -> None:
    text = CHUNKS * PIECE
    grown = grown_by(api, tmp_path)
    assert grown < ALLOWED * text + NOISE
    assert grown > text / 2, "the stream was not folded, so nothing was measured"

"""Ports that never answer.

- *deaf*: the kernel has no room for another connection, so that connecting itself hangs;
- *mute*: connections are made, and nothing ever comes.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_MOST = 20  # connections until the kernel has no room for more


@contextmanager
def deaf() -> Iterator[int]:
    """Gives a port to which nobody can connect any more, nor is refused."""
    with ExitStack() as open_until_then:
        listening = open_until_then.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(_MOST):
            filling = open_until_then.enter_context(socket.socket())
            filling.settimeout(0.1)
            try:
                filling.connect(listening.getsockname())
            except TimeoutError:
                yield listening.getsockname()[1]
                return
        raise AssertionError("this kernel takes every connection")


@contextmanager
def mute() -> Iterator[int]:
    """Gives a port to which many can connect, and hear nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield listening.getsockname()[1]

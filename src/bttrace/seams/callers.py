"""The application's frame that made a call.

Owns what counts as the application: what is neither ours, nor the SDK's, nor the standard
library's machinery that runs a call on a loop or in a thread.
"""

from __future__ import annotations

import os
import sys
from types import CodeType

from ..model import Caller
from ..patch import WRAPT

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD = os.path.dirname(os.__file__) + os.sep
# Frames that only hand a call on: whoever made it may be further up the stack.
_BETWEEN = tuple(_STANDARD + name for name in ("asyncio" + os.sep, "concurrent" + os.sep, "threading.py"))
# Above it is who runs the loop, not who made the call.
_LOOP = _STANDARD + os.path.join("asyncio", "events.py")
_FRAMES = 40  # how far up the stack the application's frame is looked for

LIBRARIES: tuple[str, ...] = (_OURS, WRAPT, *_BETWEEN)


def application_frame(libraries: tuple[str, ...]) -> tuple[CodeType, int] | None:
    """Gives code and line of the nearest frame outside these folders; `None` if it did not make the call."""
    frame = sys._getframe(1)
    for _ in range(_FRAMES):
        code = frame.f_code
        if not code.co_filename.startswith(libraries):
            return code, frame.f_lineno
        if frame.f_back is None or code.co_filename == _LOOP:
            return None
        frame = frame.f_back
    return None


def caller(frame: tuple[CodeType, int] | None) -> Caller | None:
    """Gives what a span says of a frame."""
    if frame is None:
        return None
    code, line = frame
    return Caller(function=code.co_name, file=code.co_filename, line=line)

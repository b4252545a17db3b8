"""The application's frame that made a call.

Owns what counts as the application: what is neither ours, nor the SDK's, nor the standard
library's machinery that runs a call on a loop or in a thread, nor another tracer's wrapper
around the SDK. Such a wrapper is pointed out, because it may have told of the call already.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

from ..patch import WRAPT

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
STANDARD = os.path.dirname(os.__file__) + os.sep
# Frames that only hand a call on: whoever made it may be further up the stack.
# The last ones wrap deprecated methods: `deprecated` of typing_extensions 4.15, and of Python 3.13.
_HANDING_ON = ("asyncio" + os.sep, "concurrent" + os.sep, "contextlib.py", "threading.py", "warnings.py")
_DEPRECATED = str(getattr(sys.modules.get("typing_extensions"), "__file__", None) or "")
_BETWEEN = tuple(filter(None, (*(STANDARD + name for name in _HANDING_ON), _DEPRECATED)))
# Above it is who runs the loop, not who made the call.
LOOP = STANDARD + os.path.join("asyncio", "events.py")
_FRAMES = 40  # how far up the stack the application's frame is looked for

_KNOWN = 10_000  # files of which it is remembered whether they are in a library
LIBRARIES: tuple[str, ...] = (OURS, WRAPT, *_BETWEEN)


class Libraries:
    """Folders of code that is not the application's. Whether a file is in one is remembered."""

    __slots__ = ("folders", "known")

    def __init__(self, folders: tuple[str, ...] = LIBRARIES) -> None:
        self.folders = folders
        self.known: dict[str, bool] = {}

    def have(self, file: str) -> bool:
        """Tells whether a file is in one of the folders; for one that is not `known`."""
        if len(self.known) >= _KNOWN:
            self.known.clear()
        self.known[file] = found = file.startswith(self.folders)
        return found


def folders(client: type) -> tuple[str, ...]:
    """Gives the folders of the SDKs that a client's class comes from: its own and those below."""
    modules = (base.__module__ for base in client.__mro__ if base.__module__.endswith("._base_client"))
    files = (str(getattr(sys.modules.get(module), "__file__", None) or "") for module in modules)
    return tuple({os.path.dirname(file) + os.sep: None for file in files if file})


def caller_and_wrapper(
    libraries: Libraries, wrappers: tuple[str, ...], frame: FrameType | None = None
) -> tuple[tuple[CodeType, int] | None, FrameType | None]:
    """Gives code and line of the nearest frame outside these folders, and a wrapper's that comes before it.

    It is looked for from `frame` outwards; by default, from who calls.
    The first is `None` when the application did not make the call. The wrapper's frame must not be kept.
    """
    wrapper = None
    known = libraries.known
    frame = frame or sys._getframe(1)
    for _ in range(_FRAMES):
        name = frame.f_code.co_filename
        in_library = known.get(name)
        if not (libraries.have(name) if in_library is None else in_library):
            if not name.startswith(wrappers):
                return (frame.f_code, frame.f_lineno), wrapper
            wrapper = wrapper or frame
        if frame.f_back is None or name == LOOP:
            return None, wrapper
        frame = frame.f_back
    return None, wrapper

"""A program that imports the SDK and asks nothing."""

import sys
import threading

import openai

print(
    openai.__version__,
    type(openai.__loader__),
    openai.__spec__.loader is openai.__loader__,
    dir(openai) == sorted(dir(openai)),
)
print(threading.active_count(), sys.exc_info(), openai.__file__ == openai.__spec__.origin)
print(sorted(name for name in sys.modules if name.split(".")[0] == "openai")[:50])

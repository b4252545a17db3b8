"""The door on PYTHONPATH: Python imports this file when it starts.

It first loads the sitecustomize that it hides, if there is one. Then, if the environment
asks for tracing, it starts bttrace; if not, it imports nothing and leaves no trace but
its own name in sys.modules. Any Python may meet this file on PYTHONPATH, however old and
without bttrace, so it uses no syntax that one could not read.
"""

import os
import sys


def _hidden():
    """Gives the loader spec of the sitecustomize that this file hides, or None."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec("sitecustomize", None) if find_spec else None
        if spec is not None and spec.loader is not None:
            return spec
    return None


def _load(spec):
    """Loads the hidden module under its own name; what it raises is its own affair."""
    module = type(sys)("sitecustomize")
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__file__ = spec.origin
    module.__package__ = ""
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _wanted():
    """Tells whether the environment asks for tracing, at the least cost."""
    off = os.environ.get("BTTRACE_DISABLED", "").strip().lower()
    if off in ("true", "1", "yes", "y", "on"):
        return False
    exporter = os.environ.get("BTTRACE_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    if os.environ.get("BRAINTRUST_API_KEY", "").strip():
        return True
    folder = os.getcwd()
    while not os.path.isfile(os.path.join(folder, ".env.braintrust")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return False
    return True


def _start():
    """Starts bttrace where it is installed and wanted. Never raises."""
    if sys.version_info < (3, 10):
        return
    try:
        if _wanted():
            import bttrace

            bttrace.enable()
    except Exception as fault:
        if not isinstance(fault, (ImportError, OSError)):
            sys.stderr.write(
                "bttrace: could not start (%s: %s); the program is not traced\n"
                % (type(fault).__name__, fault)
            )


if sys.version_info >= (3, 4):
    _spec = _hidden()
    try:
        if _spec is not None:
            _load(_spec)
    finally:
        _start()

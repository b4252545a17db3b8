"""The door on PYTHONPATH: Python imports this file when it starts.

It first imports the sitecustomize that it hides, if there is one. Then, if the environment
asks for tracing, it starts bttrace; if not, it imports nothing and leaves no trace but
its own name in sys.modules. Any Python may meet this file on PYTHONPATH, however old and
without bttrace, so it uses no syntax that one could not read.
"""

import os
import sys

_PARENTS = 64  # how far up bttrace looks for an env file


def _import_hidden():
    """Imports the sitecustomize that this file hides; what it raises is its own affair.

    Python's own import does it, with this folder off the path and this module out of the
    way: so packages, zip files and other tools that play the same trick work as ever.
    """
    here = os.path.dirname(_absolute(__file__))
    sys.path[:] = [entry for entry in sys.path if _absolute(entry) != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as fault:
        # site.py passes over this one too, and over no other; Python 2 passes over them all.
        if getattr(fault, "name", "sitecustomize") != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours
    return ours  # Python 2 empties a module that nobody holds


def _absolute(path):
    try:
        return os.path.abspath(path)
    except OSError:  # the working folder is gone
        return path


def _wanted():
    """Tells whether the environment asks for tracing, at the least cost."""
    off = os.environ.get("BTTRACE_DISABLED", "").strip().lower()
    if off in ("true", "1", "yes", "y", "on"):
        return False
    exporter = os.environ.get("BTTRACE_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    return bool(os.environ.get("BRAINTRUST_API_KEY", "").strip()) or _nearest_file_names_a_key()


def _nearest_file_names_a_key():
    """Tells whether the nearest .env.braintrust may hold a key, or can't be read, which bttrace will say."""
    folder = os.getcwd()
    for _ in range(_PARENTS + 1):
        candidate = os.path.join(folder, ".env.braintrust")
        if os.path.isfile(candidate):
            try:
                with open(candidate, "rb") as file:
                    return b"BRAINTRUST_API_KEY" in file.read()
            except OSError:
                return True
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            break
    return False


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


try:
    _ours = _import_hidden()
finally:
    _start()

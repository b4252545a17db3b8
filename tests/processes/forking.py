"""Forks, in the ways that the command line names; prints the texts of all calls that were made."""

import ctypes
import os
import subprocess
import sys
import threading
import time

from asking import ask


def idle():
    """Forks beside threads of ours that have nothing to do."""
    ask("parent")
    time.sleep(0.5)
    _forked(lambda: ask("child"))
    ask("parent again")
    return ["parent", "child", "parent again"]


class Slow:
    """Finds nothing, and takes its time where bttrace's trees are looked for."""

    begun = threading.Event()

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "bttrace.trees":
            Slow.begun.set()
            time.sleep(1.5)


def loading():
    """Forks while a thread of ours imports what a first call needs, for longer than a fork waits else."""
    sys.meta_path.insert(0, Slow)
    ask("parent")
    assert Slow.begun.wait(60)
    _forked(lambda: ask("child"))
    return ["parent", "child"]


def busy():
    """Forks while a thread of the application keeps the writer and the delivery busy."""
    ask("first")  # which imports modules that no child must find half imported
    calls = [f"parent {number}" for number in range(40)]
    thread = threading.Thread(target=lambda: [ask(text) for text in calls])
    thread.start()
    children = [
        _child(lambda number=number: ask(f"child {number}")) for number in range(3) if not time.sleep(0.03)
    ]
    thread.join()
    _wait(children)
    return ["first", *calls, *(f"child {number}" for number in range(3))]


def loop():
    """Forks fifty times, with a call before each; every tenth child makes one too."""
    for number in range(50):
        ask(f"parent {number}")
        child = os.fork()
        if not child:
            if number % 10:
                os._exit(0)
            ask(f"child {number}")
            sys.exit(0)
        _wait([child])
    return [
        *(f"parent {number}" for number in range(50)),
        *(f"child {number}" for number in range(0, 50, 10)),
    ]


def thread():
    """Forks in a thread, which is the child's only one."""
    ask("parent")
    forking = threading.Thread(target=lambda: _forked(lambda: ask("child")))
    forking.start()
    forking.join()
    return ["parent", "child"]


def grandchildren():
    """Forks in a forked child."""
    ask("parent")

    def child():
        ask("child")
        _forked(lambda: ask("grandchild"))

    _forked(child)
    return ["parent", "child", "grandchild"]


def abrupt():
    """Has a child end by os._exit, a moment after its call."""
    ask("parent")

    def child():
        ask("child")
        time.sleep(1)
        os._exit(0)

    _forked(child)
    return ["parent", "child"]


def daemon():
    """Forks twice, as a daemon does, and waits for it by a pipe."""
    ask("parent")
    reader, writer = os.pipe()
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.close(reader)
            ask("daemon")
            sys.exit(0)
        time.sleep(0.2)
        os._exit(0)
    os.close(writer)
    os.read(reader, 1)
    return ["parent", "daemon"]


def foreign():
    """Forks in C, of which Python is not told, while the writer has something to do and while it has not."""
    import bttrace

    fork = ctypes.PyDLL(None).fork
    ask("parent")
    bttrace.flush()  # which imports modules: a child that nobody tells would wait for their locks for ever
    for number in range(2):
        ask(f"parent {number}")
        time.sleep(0.3 * number)
        child = fork()
        if not child:
            ask(f"child {number}")
            sys.exit(0)
        os.waitpid(child, 0)
    return ["parent", *(f"{who} {number}" for who in ("parent", "child") for number in range(2))]


def spawn():
    """Starts Pythons, by vfork and by posix_spawn."""
    ask("parent")
    code = "import sys; sys.path.insert(0, sys.argv[2]); from asking import ask; ask(sys.argv[1])"
    command = [sys.executable, "-c", code]
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([*command, "run", here], check=True)
    os.waitpid(os.posix_spawn(sys.executable, [*command, "spawned", here], os.environ), 0)
    subprocess.run([*command, "prepared", here], check=True, preexec_fn=lambda: None)
    return ["parent", "run", "spawned", "prepared"]


def away():
    """Forks while a delivery waits for its answer, and tells how long that took."""
    ask("parent")
    time.sleep(0.5)
    began = time.perf_counter()
    child = os.fork()
    if not child:
        ask("child")
        sys.exit(0)
    took = time.perf_counter() - began
    os.waitpid(child, 0)
    print(took)
    return ["parent", "child"]


def _child(work):
    child = os.fork()
    if not child:
        work()
        sys.exit(0)
    return child


def _wait(children):
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def _forked(work):
    _wait([_child(work)])


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())

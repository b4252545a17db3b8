"""Children of multiprocessing and of billiard, in the way and by the method that the command line names."""

import importlib
import multiprocessing
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from asking import ask


def process(context):
    """Starts processes, of which one makes its call in a thread that outlasts its function."""
    children = [
        context.Process(target=ask, args=("child",)),
        context.Process(target=_in_thread, args=("thread",)),
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0, child.exitcode


def pool(context):
    """Leaves a pool by its `with`, which terminates the workers as soon as the results are there."""
    with context.Pool(2) as workers:
        assert workers.map(ask, _texts()) == _texts()


def closed(context):
    """Lets a pool end in order, with a new worker for each two tasks."""
    workers = context.Pool(2, maxtasksperchild=2)
    workers.map(ask, _texts(), chunksize=1)
    workers.close()
    workers.join()


def executor(context):
    with ProcessPoolExecutor(2, mp_context=context) as workers:
        assert list(workers.map(ask, _texts())) == _texts()


def short(context):
    """Starts a worker for every task, as Celery can."""
    for text in _texts():
        child = context.Process(target=ask, args=(text,))
        child.start()
        child.join()


def _texts():
    return [f"task {number}" for number in range(6)]


def _in_thread(text):
    def late():
        time.sleep(0.2)
        ask(text)

    threading.Thread(target=late).start()


if __name__ == "__main__":
    way, method, *library = sys.argv[1:]
    contexts = importlib.import_module(library[0]) if library else multiprocessing
    ask("parent")
    globals()[way](contexts.get_context(method))

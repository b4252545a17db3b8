"""Tasks of Celery, whose messages go through a folder; run as a program, it queues them and prints what they give."""

import json
import os
import sys
from pathlib import Path

from asking import ask
from celery import Celery

FOLDER = Path(os.environ["CELERY_FOLDER"])
for name in ("queue", "control", "results"):
    (FOLDER / name).mkdir(exist_ok=True)
app = Celery("celery_app", broker="filesystem://", backend=f"file://{FOLDER / 'results'}")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER / "queue"),
    "data_folder_out": str(FOLDER / "queue"),
    "control_folder": str(FOLDER / "control"),
}
app.conf.worker_hijack_root_logger = False


@app.task
def nothing(text):
    return text


@app.task
def one(text):
    return ask(text)


@app.task
def queueing(text):
    one.delay(f"{text}-queued")
    return ask(text)


@app.task
def queueing_alone(text):
    """Asks nothing itself."""
    one.delay(f"{text}-queued")
    return text


@app.task(bind=True, max_retries=1)
def trying(self, text):
    said = ask(f"{text}-{self.request.retries}")
    if not self.request.retries:
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    return said


@app.task
def failing(text):
    raise ValueError(f"no {ask(text)}")


@app.task
def eager(text):
    """Runs another here and now."""
    ask(text)
    return one.apply((f"{text}-within",)).get(disable_sync_subtasks=False)


def main(headers):
    wanted = {
        "one": one.apply_async(("one",), headers=headers),
        "nothing": nothing.delay("nothing"),
        "queueing": queueing.delay("queueing"),
        "queueing_alone": queueing_alone.delay("alone"),
        "trying": trying.apply_async(("trying",), headers=headers),
        "failing": failing.delay("failing"),
        "eager": eager.delay("eager"),
    }
    got = {
        name: str(result.get(timeout=50, interval=0.05, propagate=False)) for name, result in wanted.items()
    }
    print(json.dumps(got))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

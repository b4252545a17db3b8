"""A service of Flask."""

from concurrent.futures import ThreadPoolExecutor

import flask
from asking import ask

pool = ThreadPoolExecutor(4)
app = flask.Flask(__name__)
users = flask.Blueprint("users", __name__, url_prefix="/api/users")
app.logger.disabled = True


@app.get("/health/<key>")
def health(key):
    return {"key": key}


@users.get("/<string:key>")
def user(key):
    return [ask(key), pool.submit(ask, f"{key}-pool").result()]


@app.get("/stream/<key>")
def stream(key):
    """Makes its parts when the view has returned."""
    return flask.Response(flask.stream_with_context(ask(f"{key}-{part}") for part in range(2)))


@app.get("/broken/<key>")
def broken(key):
    ask(key)
    raise ValueError(f"no {key}")


@app.get("/later/<key>")
def later(key):
    """Leaves a call behind that nobody waits for."""
    pool.submit(ask, f"{key}-later")
    return "later"


app.register_blueprint(users)

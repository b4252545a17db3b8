"""A service of each kind, that asks the provider for the text in its path, and answers with the process it is in."""

import asyncio
import os

from asking import ask


def wsgi(environ, start_response):
    ask(environ["PATH_INFO"].strip("/"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await asyncio.to_thread(ask, scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

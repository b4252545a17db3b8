"""A service of FastAPI, with routes of its own, of a router and of applications that it mounts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import openai
from asking import ask
from fastapi import APIRouter, BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

pool = ThreadPoolExecutor(4)
app = FastAPI()
users = APIRouter(prefix="/users")
kept = set()


async def aask(text):
    return await asyncio.to_thread(ask, text)


async def passing(request, call_next):
    return await call_next(request)


app.add_middleware(BaseHTTPMiddleware, dispatch=passing)


@app.get("/health/{key}")
async def health(key: str):
    return {"key": key}


@users.get("/{key}")
def user(key: str):
    """Runs in a thread of the server's, and asks in one of its own as well."""
    return [ask(key), pool.submit(ask, f"{key}-pool").result()]


@users.get("/{key}/tasks")
async def tasks(key: str):
    loop = asyncio.get_running_loop()
    return await asyncio.gather(aask(key), loop.run_in_executor(pool, ask, f"{key}-executor"))


@app.get("/stream/{key}")
def stream(key: str):
    return StreamingResponse(ask(f"{key}-{part}") for part in range(2))


@app.post("/stream/{key}")
async def astream(key: str):
    async def parts():
        for part in range(2):
            yield await aask(f"{key}-{part}")

    return StreamingResponse(parts())


@app.get("/broken/{key}")
async def broken(key: str):
    await aask(key)
    raise ValueError(f"no {key}")


@app.get("/later/{key}")
async def later(key: str, background: BackgroundTasks):
    """Leaves two calls behind: one that the framework waits for, and one that nobody does."""
    background.add_task(ask, f"{key}-background")
    task = asyncio.create_task(aask(f"{key}-task"))
    kept.add(task)
    return "later"


@app.websocket("/talk/{key}")
async def talk(socket: WebSocket, key: str):
    await socket.accept()
    for part in range(2):
        said = await socket.receive_text()
        await socket.send_text(await aask(f"{said}-{part}"))
    await socket.close()


async def thing(request):
    return PlainTextResponse(await aask(request.path_params["key"]))


app.include_router(users, prefix="/api")
app.mount("/of/{tenant}", Starlette(routes=[Route("/things/{key}", thing)]))
_ = openai

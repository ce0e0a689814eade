"""The voting page from a server on this machine, where each vote goes into the catalog at once.

It is bound to the loopback address and answers only to it, so that no other machine, and no page of another site that
is open in the same browser, can vote.
"""

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from marey.catalog import Library
from marey.errors import MareyError, require
from marey.study.design import Design, folder_of
from marey.study.page import page_of
from marey.study.trials import trials
from marey.study.votes import MOST_BYTES, nickname, take, told, undo

HOST = "127.0.0.1"
_AT_ONCE = 6  # trials that a page gets at a time: few, so that they are chosen by the votes of now
_HOSTS = ("127.0.0.1", "localhost")
_MOST_BODY = min(MOST_BYTES, 2**20)


def application(library: Library, design: Design, *, goal: int = 60) -> Any:
    """The application as ASGI: the page, its media, and what the page asks and says.

    Args:
        library: open for writing, in the thread that serves.

    Raises:
        MissingExtra: fastapi is not installed.
    """
    require("fastapi", "serve")
    from fastapi import FastAPI, HTTPException, Request
    from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

    app = FastAPI(title="marey study", docs_url=None, redoc_url=None, openapi_url=None)
    folder = folder_of(library, design.name)
    media = {f"{one.id}.mp4" for one in design.videos} | {one.still for one in design.prompts if one.still}
    prompts = {prompt.id: n for n, prompt in enumerate(design.prompts)}
    page = page_of(design, goal=goal)

    @app.middleware("http")
    async def only_here(request: Request, answer: Callable[[Request], Any]) -> Response:
        host = request.headers.get("host", "").rsplit(":", 1)[0]
        origin = request.headers.get("origin")
        if host not in _HOSTS or (origin is not None and origin != f"http://{request.headers['host']}"):
            return JSONResponse({"detail": "This page answers only to this machine."}, status_code=403)
        response: Response = await answer(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        return response

    async def body(request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, "JSON would do.")
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > _MOST_BODY:
                raise HTTPException(413, "That is too much at once.")
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            raise HTTPException(400, "That is no JSON.") from None
        if not isinstance(said, dict):
            raise HTTPException(400, "An object would do.")
        return said

    @app.exception_handler(MareyError)
    async def explained(request: Request, error: MareyError) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=400)

    @app.get("/")
    async def start() -> Response:
        return HTMLResponse(page)

    @app.get("/media/{name}")
    async def medium(name: str) -> Response:
        if name not in media:
            raise HTTPException(404, "There is no such video.")
        return FileResponse(folder / name)

    @app.post("/api/trials")
    async def ask(request: Request) -> Any:
        said = await body(request)
        voter, asked = nickname(str(said.get("voter", ""))), said.get("asked", 0)
        asked = asked if isinstance(asked, int) and 0 <= asked < 10**6 else 0
        seed = zlib.crc32(f"{voter} {asked}".encode()) + design.seed
        found = trials(design, told(library, design), _AT_ONCE, seed=seed, asked=asked)
        return {"trials": [{**asdict(trial), "prompt": prompts[trial.prompt]} for trial in found]}

    @app.post("/api/votes")
    async def vote(request: Request) -> Any:
        return asdict(take(library, design, await body(request), "What the page sent"))

    @app.post("/api/undo")
    async def back(request: Request) -> Any:
        said = await body(request)
        return {"undone": undo(library, design, str(said.get("voter", "")), str(said.get("key", "")))}

    return app


def serve(
    path: Path,
    read: Callable[[Library], Design],
    *,
    port: int = 8765,
    goal: int = 60,
    until: Callable[[], bool] = lambda: False,
    ready: Callable[[str], None] = lambda address: None,
) -> str:
    """Serve the voting page until Ctrl-C, or until `until` says so.

    Args:
        path: the library, which is held for writing meanwhile.
        read: gives the study.
        port: 0: one that is free.
        ready: called with the page's address once it answers.

    Returns:
        The address that it had.

    Raises:
        MareyError: the port is taken, or the study is not there.
        MissingExtra: fastapi or uvicorn is not installed.
    """
    require("uvicorn", "serve")
    import socket

    import uvicorn

    with Library.open(path, write=True) as library:
        app = application(library, read(library), goal=goal)
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, port))
        except OSError as error:
            listening.close()
            raise MareyError(
                f"Port {port} cannot be used ({error.strerror}): --port 0 finds one that is free."
            ) from error
        address = f"http://{HOST}:{listening.getsockname()[1]}/"
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))

        async def work() -> None:
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.02)
            ready(address)
            while not serving.done() and not until():
                await asyncio.wait({serving}, timeout=0.2)
            server.should_exit = True
            await serving

        try:
            asyncio.run(work())
        except KeyboardInterrupt:
            pass  # Ctrl-C is how it ends
        finally:
            listening.close()
    return address

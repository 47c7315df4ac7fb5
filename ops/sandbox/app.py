"""The sandbox as an ASGI application.

``STRIPE_API_KEY=… SANDBOX_STORE=…/ledger.sqlite3 granian --interface asgi ops.sandbox.app:app``,
with one worker: running idempotency keys are known to one process only.
"""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ops.sandbox.api import Api
from ops.sandbox.environment import Environment, read_environment
from ops.sandbox.faults import Mode
from ops.sandbox.page import ledger, page
from ops.sandbox.store import Store


def build(environment: Environment) -> Starlette:
    """The application over the books at ``environment.store``, which are made when missing."""
    store = _open(environment.store)
    api = Api(environment, store)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    async def healthz(_request: Request) -> Response:
        store.moved_cents("capture")
        return JSONResponse({"status": "ok"})

    async def show_ledger(_request: Request) -> Response:
        return JSONResponse(ledger(store, api.mode))

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(page(store, api.mode))

    async def set_mode(request: Request) -> Response:
        try:
            api.mode = await _mode(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"mode": api.mode.value})

    routes = [
        Route("/", show_page),
        Route("/healthz", healthz),
        Route("/sandbox/ledger", show_ledger),
        Route("/sandbox/mode", set_mode, methods=["POST"]),
        *api.routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _open(path: Path) -> Store:
    try:
        return Store(path)
    except sqlite3.Error as error:
        raise SystemExit(
            f"The books at SANDBOX_STORE={path} cannot be opened ({error}). "
            "Name a file that this process may write to, or move the broken one away."
        ) from None


async def _mode(request: Request) -> Mode:
    # JSON only: a page of another site cannot send that type without being asked for permission.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise ValueError("Send the mode as application/json.")
    try:
        return Mode(json.loads(await request.body())["mode"])
    except (ValueError, KeyError, TypeError):
        names = ", ".join(mode.value for mode in Mode)
        raise ValueError(f'This is no mode. Send {{"mode": …}} with one of: {names}.') from None


app = build(read_environment())

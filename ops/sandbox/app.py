"""The sandbox as an ASGI application.

``STRIPE_API_KEY=… SANDBOX_STORE=…/ledger.sqlite3 granian --interface asgi ops.sandbox.app:app``,
with one worker: running idempotency keys are known to one process only.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ops.sandbox import authentication
from ops.sandbox.api import Api
from ops.sandbox.environment import Environment, read_environment
from ops.sandbox.faults import read_mode
from ops.sandbox.objects import ApiObject
from ops.sandbox.page import ledger, page
from ops.sandbox.params import parse
from ops.sandbox.store import Store
from ops.sandbox.webhooks import Webhooks, read_manner

_LARGEST_ANSWER = 1_024


def build(environment: Environment) -> Starlette:
    """The application over the books at ``environment.store``, which are made when missing."""
    store = _open(environment.store, announcing=bool(environment.webhook_url))
    api = Api(environment, store)
    webhooks = Webhooks(
        store,
        url=environment.webhook_url,
        secret=environment.webhook_secret,
        late_seconds=environment.slow_seconds,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        telling = asyncio.create_task(webhooks.run())
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        store.close()

    async def healthz(_request: Request) -> Response:
        store.moved_cents("capture")
        return JSONResponse({"status": "ok"})

    async def show_ledger(_request: Request) -> Response:
        return JSONResponse(ledger(store, api.mode))

    async def show_page(_request: Request) -> Response:
        return HTMLResponse(page(store, api.mode))

    async def set_mode(request: Request) -> Response:
        def change(body: bytes) -> object:
            api.mode = read_mode(body)
            return {"mode": api.mode.value}

        return await _told(request, change)

    async def show_webhooks(_request: Request) -> Response:
        return JSONResponse(webhooks.seen())

    async def set_webhooks(request: Request) -> Response:
        def change(body: bytes) -> object:
            webhooks.manner = read_manner(body)
            return webhooks.seen()

        return await _told(request, change)

    routes = [
        Route("/", show_page),
        Route("/healthz", healthz),
        Route("/sandbox/ledger", show_ledger),
        Route("/sandbox/mode", set_mode, methods=["POST"]),
        Route("/sandbox/webhooks", show_webhooks),
        Route("/sandbox/webhooks", set_webhooks, methods=["POST"]),
        *_check_pages(store),
        *api.routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _check_pages(store: Store) -> list[Route]:
    async def show(request: Request) -> Response:
        intent = store.get("payment_intent", request.path_params["id"])
        if intent is not None and intent["status"] == "requires_action":
            return HTMLResponse(authentication.check_page(intent))
        return _back(store, intent)

    async def answer(request: Request) -> Response:
        body = (await request.body())[:_LARGEST_ANSWER].decode("utf-8", "replace")
        said = parse(body).get("answer")
        if said not in ("yes", "no"):
            return HTMLResponse(authentication.closed_page(), 400)
        command = authentication.Authenticate(request.path_params["id"], said == "yes")
        with store.transaction():
            intent = command.run(store)
        return _back(store, intent)

    path = f"{authentication.PATH}/{{id}}"
    return [Route(path, show), Route(path, answer, methods=["POST"])]


def _back(store: Store, intent: ApiObject | None) -> Response:
    if intent is None:
        return HTMLResponse(authentication.closed_page(), 404)
    url = authentication.way_back(store, intent)
    return RedirectResponse(url, 303) if url else HTMLResponse(authentication.closed_page())


def _open(path: Path, *, announcing: bool) -> Store:
    try:
        return Store(path, announcing=announcing)
    except sqlite3.Error as error:
        raise SystemExit(
            f"The books at SANDBOX_STORE={path} cannot be opened ({error}). "
            "Name a file that this process may write to, or move the broken one away."
        ) from None


async def _told(request: Request, change: Callable[[bytes], object]) -> Response:
    """Let ``change`` read what it shall be from now on; a ValueError of its own is the answer."""
    # JSON only: a page of another site cannot send that type without being asked for permission.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return JSONResponse({"error": "Send the mode as application/json."}, 400)
    try:
        return JSONResponse(change(await request.body()))
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)


app = build(read_environment())

"""The misbehaviour: of one card, by its token, or of the whole sandbox, by its mode."""

import asyncio
import json
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops.sandbox.answers import gave_up, rate_limited, server_error, unavailable
from ops.sandbox.payment_methods import Fault

_RATE_LIMITED_TIMES = 2


class Mode(StrEnum):
    """How the sandbox treats every request of its API. A restart is back to ``ok``."""

    OK = "ok"
    HANG = "hang"  # answers nobody within SANDBOX_HANG_SECONDS, does nothing
    DOWN = "down"  # 503 at once, does nothing
    SLOW = "slow"  # works, after SANDBOX_SLOW_SECONDS


def read_mode(body: bytes) -> Mode:
    """Raises ValueError with what to send instead."""
    try:
        return Mode(json.loads(body)["mode"])
    except (ValueError, KeyError, TypeError):
        names = ", ".join(mode.value for mode in Mode)
        raise ValueError(f'This is no mode. Send {{"mode": …}} with one of: {names}.') from None


class ConnectionDropped(Exception):
    """The answer to this request shall never arrive."""


class CutOff(Response):
    """Ends the connection in the middle of an answer.

    ASGI knows no way to hang up without a word; a body that is announced and never finished makes
    the server cut the connection, as a bank does that dies while it is speaking.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


async def hang(request: Request, seconds: float) -> None:
    """Wait until the time is over or the client has gone; others are served meanwhile."""
    gone = asyncio.ensure_future(_gone(request))
    await asyncio.wait({gone}, timeout=seconds)
    gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def apply_mode(mode: Mode, request: Request, *, slow: float, hanging: float) -> None:
    """Before anything else of a request. Raises ApiError where the mode forbids to go on."""
    if mode is Mode.DOWN:
        raise unavailable()
    if mode is Mode.HANG:
        await hang(request, hanging)
        raise gave_up()
    if mode is Mode.SLOW:
        await pause(slow)


async def before(fault: Fault | None, asked: int, request: Request, hanging: float) -> None:
    """What goes wrong before anything moves; ``asked`` counts the key's requests from 1."""
    if fault is Fault.RATE_LIMITED and asked <= _RATE_LIMITED_TIMES:
        raise rate_limited()
    if asked > 1:
        return
    if fault is Fault.HANG_BEFORE:
        await hang(request, hanging)
        raise gave_up()
    if fault is Fault.ERROR_BEFORE:
        raise server_error()


async def after(fault: Fault | None, request: Request, hanging: float) -> None:
    """What goes wrong once the money has moved and the answer is kept: the first time only, since
    every later request gets the kept answer and does not come here."""
    if fault is Fault.HANG_AFTER:
        await hang(request, hanging)
    elif fault is Fault.ERROR_AFTER:
        raise server_error()
    elif fault is Fault.DROP_AFTER:
        raise ConnectionDropped


async def pause(seconds: float) -> None:
    """Slow, not silent: it goes on although the client may have gone, as a real bank would."""
    await asyncio.sleep(seconds)

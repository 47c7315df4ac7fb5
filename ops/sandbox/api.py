"""The part of the sandbox that speaks Stripe's HTTP API: /v1/…"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.sandbox import faults
from ops.sandbox.answers import Answer, ApiError, invalid, unauthorized
from ops.sandbox.authentication import PATH as CHECK_PAGES
from ops.sandbox.environment import Environment
from ops.sandbox.idempotency import Command, Keys, fingerprint
from ops.sandbox.intents import CancelIntent, CreateIntent
from ops.sandbox.objects import new_id
from ops.sandbox.params import Params, parse
from ops.sandbox.payment_methods import Fault
from ops.sandbox.reading import list_page, retrieve
from ops.sandbox.refunds import CreateRefund
from ops.sandbox.store import Store

_LARGEST_BODY = 65_536
_FORM = "application/x-www-form-urlencoded"
_KINDS = {"payment_intents": "payment_intent", "charges": "charge", "refunds": "refund"}
_Endpoint = Callable[[Request], Awaitable[Answer]]


class Api:
    """The endpoints over one store. One instance, one process: running keys are kept in memory."""

    def __init__(self, environment: Environment, store: Store) -> None:
        self._environment = environment
        self._store = store
        self._keys = Keys(store)
        self.mode = faults.Mode.OK

    def routes(self) -> list[Route]:
        routes = [
            self._route("/payment_intents", partial(self._post, self._create_intent), "POST"),
            self._route(
                "/payment_intents/{id}/cancel", partial(self._post, _cancel_intent), "POST"
            ),
            self._route("/refunds", partial(self._post, _create_refund), "POST"),
        ]
        for plural, kind in _KINDS.items():
            routes.append(self._route(f"/{plural}", partial(self._list, kind), "GET"))
            routes.append(self._route(f"/{plural}/{{id}}", partial(self._retrieve, kind), "GET"))
        routes.append(self._route("/{path:path}", _unknown_url, "GET", "POST", "DELETE"))
        return routes

    def _route(self, path: str, endpoint: _Endpoint, *methods: str) -> Route:
        async def handle(request: Request) -> Response:
            try:
                self._authenticate(request)
                await faults.apply_mode(
                    self.mode,
                    request,
                    slow=self._environment.slow_seconds,
                    hanging=self._environment.hang_seconds,
                )
                answer = await endpoint(request)
            except ApiError as error:
                answer = error.answer()
            except faults.ConnectionDropped:
                return faults.CutOff()
            headers = {"Request-Id": new_id("req"), **answer.headers}
            return JSONResponse(answer.body, answer.status, headers)

        return Route(f"/v1{path}", handle, methods=methods)

    def _authenticate(self, request: Request) -> None:
        key = _api_key(request)
        if not key:
            raise unauthorized("You did not provide an API key. Send it as a Bearer token.")
        if not hmac.compare_digest(key.encode(), self._environment.api_key.encode()):
            raise unauthorized("Invalid API key provided. This sandbox takes STRIPE_API_KEY only.")

    async def _post(self, parsed: Callable[[Request, Params], Command], request: Request) -> Answer:
        params = await _form(request)
        key = request.headers.get("idempotency-key") or None
        mark = fingerprint(request.url.path, params)
        if key is not None and (kept := self._keys.replay(key, mark)):
            return kept
        command = parsed(request, params)
        return await self._run(command, command.fault(self._store), request, key, mark)

    async def _run(
        self, command: Command, fault: Fault | None, request: Request, key: str | None, mark: str
    ) -> Answer:
        hanging = self._environment.hang_seconds
        asked = self._store.count_ask(key) if fault and key else 1
        # A hang before anything moved does not hold the key: nothing runs that could collide.
        await faults.before(fault, asked, request, hanging)
        with self._keys.running(key):
            if fault is Fault.SLOW:
                await faults.pause(self._environment.slow_seconds)
            answer = self._keys.run(command, key, mark)
        # Nor does a hang after the commit: the answer is kept and ready for the next request.
        await faults.after(fault, request, hanging)
        return answer

    def _create_intent(self, request: Request, params: Params) -> Command:
        base = self._environment.public_url or str(request.base_url)
        return CreateIntent.parse(params, base.rstrip("/") + CHECK_PAGES)

    async def _list(self, kind: str, request: Request) -> Answer:
        return list_page(self._store, kind, request.url.path, parse(request.url.query))

    async def _retrieve(self, kind: str, request: Request) -> Answer:
        params = parse(request.url.query)
        return retrieve(self._store, kind, request.path_params["id"], params)


def _cancel_intent(request: Request, params: Params) -> Command:
    return CancelIntent.parse(request.path_params["id"], params)


def _create_refund(_request: Request, params: Params) -> Command:
    return CreateRefund.parse(params)


async def _unknown_url(request: Request) -> Answer:
    raise ApiError(
        404,
        "invalid_request_error",
        f"Unrecognized request URL ({request.method}: {request.url.path}).",
    )


async def _form(request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if content_type != _FORM:
        raise invalid(f"Send parameters as {_FORM}, not as {content_type[:80]}.")
    body = await request.body()
    if len(body) > _LARGEST_BODY:
        raise invalid(f"The request is larger than {_LARGEST_BODY} bytes.")
    try:
        return parse(body.decode())
    except UnicodeDecodeError:
        raise invalid("The parameters are not UTF-8.") from None


def _api_key(request: Request) -> str:
    """From ``Bearer <key>`` or ``Basic base64(<key>:)``; empty when there is none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""

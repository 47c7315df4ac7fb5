"""HTTP as one person of a crowd: their own cookies over connections that all share."""

import asyncio
import time
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any

import httpx

# A part may be killed or started anew: a person would press the button again.
_PAUSE_SECONDS = 0.5
_TIMEOUT = httpx.Timeout(20.0, pool=120.0)
CONNECTIONS = 48


class NoAnswer(Exception):
    """The shop gave none in time, or one that nobody can go on with."""


def client(base: str) -> httpx.AsyncClient:
    """Keeps no cookies: each person of the crowd has their own."""
    return httpx.AsyncClient(
        base_url=base,
        timeout=_TIMEOUT,
        verify=False,  # noqa: S501 - plain HTTP on this machine; reading certificates takes 20 ms
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"Accept-Language": "en"},
    )


@dataclass(slots=True)
class Door:
    """What one person asks. ``troubles``: answers that were none, and asked for again."""

    client: httpx.AsyncClient
    deadline: float
    cookies: dict[str, str] = field(default_factory=dict)
    troubles: int = 0
    slowest_seconds: float = 0.0

    async def get(self, path: str, *, as_json: bool = False) -> httpx.Response:
        return await self._ask("GET", path, None, as_json)

    async def post(
        self, path: str, fields: dict[str, str], *, as_json: bool = False
    ) -> httpx.Response:
        return await self._ask("POST", path, fields, as_json)

    async def _ask(
        self, method: str, path: str, fields: dict[str, str] | None, as_json: bool
    ) -> httpx.Response:
        problem = "no time was left"
        while time.monotonic() < self.deadline:
            began = time.monotonic()
            try:
                answer = await self._send(method, path, fields, as_json)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 500:
                    self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
                    return answer
                problem = f"status {answer.status_code}"
            self.troubles += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        raise NoAnswer(f"{method} {path}: {problem}")

    async def _send(
        self, method: str, path: str, fields: dict[str, str] | None, as_json: bool
    ) -> httpx.Response:
        headers = {"Referer": str(self.client.base_url)}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if as_json:
            headers["Accept"] = "application/json"
        answer = await self.client.request(method, path, data=fields, headers=headers)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer


def facts_of(answer: httpx.Response) -> dict[str, Any]:
    """Raises NoAnswer when it is not JSON."""
    try:
        found: dict[str, Any] = answer.json()
    except ValueError as error:
        raise NoAnswer(f"{answer.request.url.path} gave {answer.status_code}, no JSON") from error
    return found

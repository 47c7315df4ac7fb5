"""HTTP as one person of a crowd: their own cookies over connections that all share."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import aiohttp

# A part may be killed or started anew: a person would press the button again.
_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 20.0
CONNECTIONS = 48


class NoAnswer(Exception):
    """The shop gave none in time, or one that nobody can go on with."""


@dataclass(frozen=True, slots=True)
class Answer:
    path: str
    status_code: int
    text: str
    headers: Mapping[str, str]


def client(base: str) -> aiohttp.ClientSession:
    """Keeps no cookies: each person of the crowd has their own. To be made inside the loop."""
    return aiohttp.ClientSession(
        base_url=base,
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Waiting for one of the connections is the crowd's own, and no fault of the shop.
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=_ANSWER_SECONDS, sock_read=_ANSWER_SECONDS
        ),
        headers={"Accept-Language": "en", "Referer": base},
    )


@dataclass(slots=True)
class Door:
    """What one person asks. ``troubles``: answers that were none, and asked for again."""

    client: aiohttp.ClientSession
    deadline: float
    cookies: dict[str, str] = field(default_factory=dict)
    troubles: int = 0
    slowest_seconds: float = 0.0

    async def get(self, path: str, *, as_json: bool = False) -> Answer:
        return await self._ask("GET", path, None, as_json)

    async def post(self, path: str, fields: dict[str, str], *, as_json: bool = False) -> Answer:
        return await self._ask("POST", path, fields, as_json)

    async def _ask(
        self, method: str, path: str, fields: dict[str, str] | None, as_json: bool
    ) -> Answer:
        problem = "no time was left"
        while (left := self.deadline - time.monotonic()) > 0:
            began = time.monotonic()
            try:
                async with asyncio.timeout(left):
                    answer = await self._send(method, path, fields, as_json)
            except (aiohttp.ClientError, TimeoutError) as error:
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
    ) -> Answer:
        headers = {"Accept": "application/json"} if as_json else {}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        asking = self.client.request(
            method, path, data=fields, headers=headers, allow_redirects=False
        )
        async with asking as answer:
            for line in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            return Answer(path, answer.status, await answer.text(), answer.headers)


def facts_of(answer: Answer) -> dict[str, Any]:
    """Raises NoAnswer when it is not JSON."""
    try:
        found: dict[str, Any] = json.loads(answer.text)
    except ValueError as error:
        raise NoAnswer(f"{answer.path} gave {answer.status_code}, no JSON") from error
    return found

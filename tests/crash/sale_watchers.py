"""People of a running sale who ask all the time, and the sale as its tables say it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg2
import redis

from ops.stack.running import RunningStack
from tests.system.shop_floor import ShopFloor

MOST_WAIT_SECONDS = 0.5
_OPEN = """
import json
from datetime import timedelta
from uuid import uuid4
from django.utils import timezone
from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.selling import NewItem, NewSale
slug, now = f"watched-{{uuid4().hex[:8]}}", timezone.now()
receive_stock(slug.upper(), {units}, "for a test")
sale = selling.create_sale(NewSale(
    slug, "Watched", now, now + timedelta(hours=1), hold_seconds=900), actor="test")
item = selling.add_item(
    sale.pk, NewItem(slug.upper(), "Thing", 1_000, {units}), actor="test")
selling.announce(sale.pk, actor="test")
print(json.dumps({{"slug": slug, "sale_id": sale.pk, "item_id": item.pk}}))
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A sale of one item that runs in the shop's stack."""

    stack: RunningStack
    base: str
    slug: str
    sale_id: int
    item_id: int

    @classmethod
    def open(cls, shop: ShopFloor, units: int) -> "Watched":
        made = json.loads(shop.python(_OPEN.format(units=units)))
        return cls(shop.stack, shop.url, **made)

    @property
    def path(self) -> str:
        return f"/sale/{self.slug}/{self.item_id}/"

    @property
    def gate_url(self) -> str:
        return self.stack.environment["GATE_URL"]

    def generation(self) -> int:
        """Of the gate that is there; 0 when there is none."""
        key = f"soldonce:{{sale:{self.sale_id}}}:{self.item_id}:state"
        try:
            with redis.Redis.from_url(self.gate_url, socket_timeout=0.5) as server:
                return int(server.hget(key, "generation") or 0)
        except redis.RedisError:
            return 0

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.stack.environment["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def live_tickets(self) -> set[str]:
        query = "SELECT nonce FROM flash_sales_ticket WHERE item_id = %s AND status = 'held'"
        return {nonce for (nonce,) in self.rows(query, self.item_id)}

    def events(self) -> list[str]:
        query = "SELECT kind FROM flash_sales_saleevent WHERE sale_id = %s ORDER BY id"
        return [kind for (kind,) in self.rows(query, self.sale_id)]


@dataclass(slots=True)
class Watcher:
    """One visitor. ``heard``: what was said when, each with ``time.monotonic()`` of its answer."""

    sale: Watched
    gives_back: bool = False
    heard: list[tuple[float, str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        with httpx.Client(base_url=self.sale.base, timeout=20) as http:
            entry = http.get(self.sale.path, headers=_JSON).json()["entry"]
            said = self._ask(http, entry)
            while not stop.wait(min(MOST_WAIT_SECONDS, said.get("poll_after_ms", 0) / 1_000 or 1)):
                if said["said"] == "ticket" and self.gives_back:
                    http.post(f"{self.sale.path}give-back/", data={"entry": entry})
                said = self._ask(http, entry if self._must_click(said["said"]) else "")

    def said_between(self, since: float, until: float) -> set[str]:
        return {word for at, word, _ in self.heard if since < at < until}

    def _must_click(self, said: str) -> bool:
        return said == "not_in_line" or (said == "ticket" and self.gives_back)

    def _ask(self, http: httpx.Client, entry: str) -> dict[str, Any]:
        """``entry``: click with it; empty: only look."""
        if entry:
            answer = http.post(f"{self.sale.path}enter/", data={"entry": entry}, headers=_JSON)
        else:
            answer = http.get(f"{self.sale.path}line/", headers=_JSON)
        if answer.status_code != httpx.codes.OK:
            self.troubles.append(f"{answer.status_code}: {answer.text[:200]}")
            return {"said": "trouble"}
        said: dict[str, Any] = answer.json()
        self.heard.append((time.monotonic(), said["said"], said["text"]))
        return said


_JSON = {"Accept": "application/json"}


@contextmanager
def watching(watchers: list[Watcher]) -> Iterator[None]:
    """All of them ask while the block runs."""
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in watchers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)

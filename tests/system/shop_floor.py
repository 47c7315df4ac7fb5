"""The running shop as tests use it: over HTTP like shoppers, by manage.py like operators."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from ops.demo.browser import Browser, Filled, Page, fill
from ops.demo.scenarios import GOOD
from ops.stack.stack import Stack

Answer = TypeVar("Answer")

_ADD_PRODUCT = """
from orders.services.shelf import receive_stock
from shop.models import Category, Product, Variant
category, _ = Category.objects.get_or_create(slug="tests", defaults={{"name": "Tests"}})
product = Product.objects.create(
    slug={slug!r}, name={sku!r}, category=category, tagline="For a test.", description="A test.",
    picture="tide-mug.svg", picture_alt="A mug", run_note="Run of {units}")
Variant.objects.create(product=product, sku={sku!r}, price_cents={price_cents})
receive_stock({sku!r}, {units}, "for a test")
"""


@dataclass(frozen=True, slots=True)
class ShopFloor:
    stack: Stack

    @property
    def url(self) -> str:
        return self.stack.urls["shop"].rstrip("/")

    def python(self, code: str) -> str:
        """Run code inside the application's own settings; what it printed."""
        answer = self.stack.manage("shell", "--no-imports", "-c", code)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def ask(self, expression: str) -> Any:
        """The value of an expression over the models, through JSON."""
        imports = (
            "import json\nfrom orders.models import *\n"
            "from tasks.models import DeadLetter, OutboxMessage\n"
        )
        return json.loads(self.python(f"{imports}print(json.dumps({expression}, default=str))"))

    def add_product(self, sku: str, *, units: int, price_cents: int = 2_000) -> None:
        self.python(
            _ADD_PRODUCT.format(slug=sku.lower(), sku=sku, units=units, price_cents=price_cents)
        )

    def stock(self, sku: str) -> tuple[int, int]:
        """(on hand, held)"""
        row = self.ask(f"StockItem.objects.values_list('on_hand', 'held').get(sku={sku!r})")
        return row[0], row[1]

    def filled_checkout(
        self, browser: Browser, sku: str, *, quantity: int = 1, card: str = GOOD, who: int = 1
    ) -> Filled:
        """The checkout form of a cart with this SKU, ready to submit."""
        product = browser.get(f"/p/{sku.lower()}/")
        browser.submit(fill(product, "add-to-cart", sku=sku, quantity=str(quantity)))
        return fill(
            browser.get("/checkout/"),
            "checkout",
            email=f"buyer{who}@example.com",
            name=f"Buyer {who}",
            line1="1 Quay Street",
            postcode="28195",
            city="Bremen",
            country="DE",
            card_number=card,
            card_expiry="12/39",
            card_cvc="123",
        )

    def finished(self, browser: Browser, url: str, *, seconds: float = 60) -> Page:
        """The order page once nothing is pending on it any more."""
        return until(
            lambda: browser.get(url),
            lambda page: bool(page.document.xpath("//*[@id='progress'][@data-pending='false']")),
            seconds=seconds,
        )

    def captures_of(self, order_number: str) -> int:
        """How often the bank moved money for this order, by its own ledger."""
        ledger = httpx.get(f"{self.stack.urls['sandbox']}/sandbox/ledger", timeout=10).text
        return ledger.count(order_number)

    def bank(self, mode: str) -> None:
        httpx.post(
            f"{self.stack.urls['sandbox']}/sandbox/mode", json={"mode": mode}, timeout=10
        ).raise_for_status()

    def audit(self) -> dict[str, Any]:
        """The audit's answer once nothing is in flight any more."""
        answer = until(
            lambda: self.stack.manage("audit", "--json", "--settled"),
            lambda done: done.returncode == 0,
            seconds=60,
        )
        found: dict[str, Any] = json.loads(answer.stdout)
        return found


def until(look: Callable[[], Answer], good: Callable[[Answer], bool], *, seconds: float) -> Answer:
    """Look again until it is good; fails with the last answer when time is up."""
    deadline = time.monotonic() + seconds
    while not good(answer := look()):
        assert time.monotonic() < deadline, f"after {seconds} s it was still {answer}"
        time.sleep(0.2)
    return answer

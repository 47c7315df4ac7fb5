"""What shoppers and staff do for as long as the load lasts. Each runs in a thread of its own."""

import random
import threading
from urllib.parse import urlsplit

import psycopg2

from ops.demo.browser import PageError, fill
from ops.demo.scenarios import DECLINED, FAILS_AFTER, GOOD, GOOD_TOO, SILENT_AFTER
from ops.load.visits import Answers, CountingBrowser

_CARDS = (GOOD, GOOD, GOOD, GOOD, GOOD_TOO, DECLINED, SILENT_AFTER, FAILS_AFTER)
_CARD_REST = {"card_expiry": "12/39", "card_cvc": "123"}
# What the staff does, and to which orders: a condition of SQL over orders_order.
_DEEDS = (
    ("ship", "status = 'paid' AND fulfilment IN ('packed', 'partly_shipped')"),
    ("ship", "status = 'paid' AND fulfilment IN ('packed', 'partly_shipped')"),
    ("cancel", "status = 'paid' AND fulfilment = 'packed'"),
    ("refund", "status = 'paid' AND fulfilment <> 'unfulfilled'"),
    ("refund", "status = 'paid' AND fulfilment = 'packed'"),
)


class Shopper:
    """Buys, and now and then takes it back or gives another card. Popular things sell more."""

    def __init__(self, base: str, answers: Answers, addresses: dict[str, str], number: int) -> None:
        self._base = base
        self._answers = answers
        self._skus = sorted(addresses)[:6]
        self._addresses = addresses
        self._number = number
        self._dice = random.Random(number)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with CountingBrowser(self._base, self._answers) as browser:
                    self._visit(browser)
            except PageError as error:
                self._answers.count("visits cut short")
                self._answers.broken.append(str(error))

    def _visit(self, browser: CountingBrowser) -> None:
        for sku in self._dice.sample(self._skus, k=self._dice.choice([1, 2, 3])):
            product = browser.get(self._addresses[sku])
            browser.submit(fill(product, "add-to-cart", sku=sku, quantity="1"))
        form = fill(
            browser.get("/checkout/"),
            "checkout",
            email=f"shopper{self._number}@example.com",
            name="Shopper",
            line1="1 Harbour Street",
            postcode="28195",
            city="Bremen",
            country="DE",
            card_number=self._dice.choice(_CARDS),
            **_CARD_REST,
        )
        answer = browser.submit(form)
        if "/orders/" not in answer.url:
            self._answers.count("orders refused")
            return
        self._answers.count("orders placed")
        self._afterwards(browser, urlsplit(answer.url).path)

    def _afterwards(self, browser: CountingBrowser, order: str) -> None:
        page = browser.get(order)
        if page.one("//form[@id='retry-card']") is not None:
            browser.submit(fill(page, "retry-card", card_number=GOOD, **_CARD_REST))
            self._answers.count("other cards given")
        elif self._dice.random() < 0.3:
            asked = browser.get(f"{order}cancel/")
            if asked.one("//form[@id='cancel']") is not None:
                browser.submit(fill(asked, "cancel"))
                self._answers.count("cancelled by shoppers")


class Clerk:
    """Signs in to the admin and works through orders, without asking who else does."""

    def __init__(
        self, base: str, answers: Answers, database_url: str, login: tuple[str, str], number: int
    ) -> None:
        self._base = base
        self._answers = answers
        self._database_url = database_url
        self._login = login
        self._dice = random.Random(1_000 + number)

    def run(self, stop: threading.Event) -> None:
        with CountingBrowser(self._base, self._answers) as browser:
            name, password = self._login
            page = browser.get("/admin/login/")
            browser.submit(fill(page, "login-form", username=name, password=password))
            while not stop.is_set():
                try:
                    self._act(browser, stop)
                except PageError as error:
                    self._answers.broken.append(str(error))

    def _act(self, browser: CountingBrowser, stop: threading.Event) -> None:
        verb, condition = self._dice.choice(_DEEDS)
        order_id = self._one(condition)
        if order_id is None:
            stop.wait(0.2)
            return
        page = browser.get(f"/admin/orders/order/{order_id}/{verb}/")
        if page.one("//form[@id='desk-form']") is None:
            return
        answer = browser.submit(fill(page, "desk-form", **self._filled(verb)))
        done = answer.status < 400 and answer.one("//form[@id='desk-form']") is None
        self._answers.count(f"{verb}: {'done' if done else 'refused'} by staff")

    def _filled(self, verb: str) -> dict[str, str]:
        if verb == "refund" and self._dice.random() < 0.7:
            return {"what": "amount", "amount": "1.00", "reason": "scratched"}
        return {"reason": "asked by phone"} if verb in ("cancel", "refund") else {}

    def _one(self, condition: str) -> int | None:
        """Among the newest, so that several people come to the same ones."""
        with psycopg2.connect(self._database_url) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM orders_order WHERE {condition} ORDER BY id DESC LIMIT 12"  # noqa: S608 - conditions are ours
            )
            found = [row[0] for row in cursor.fetchall()]
        connection.close()
        return self._dice.choice(found) if found else None

"""A hundred accounts of one household get what one person may have, and all else comes back."""

from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from orders.models import Order
from shop.flash_sales.models import SaleIdentity, SaleItem, Ticket
from shop.flash_sales.states import TicketStatus
from shop.models import Account
from tests.integration.gates import units
from tests.integration.sale_visitor import at, clicks, forget_everything
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import Page, Visitor, filled

pytestmark = pytest.mark.django_db

ACCOUNTS = 100
STREETS = (
    "Große Straße 5",
    "grosse strasse 5",
    "GROSSE STR. 5",
    "Große  Str 5",
    " Grosse-Straße, 5 ",
    "große straße 5.",
)
POSTCODES = ("28195", " 28195", "281 95", "28195 ")
FLATS = ("", "3rd floor", "c/o Meyer", "flat 17")


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    forget_everything(settings, tmp_path)


def with_accounts() -> list[Visitor]:
    """Each has confirmed another mailbox, and is signed in."""
    users = User.objects.bulk_create(User(username=f"shopper-{n}") for n in range(ACCOUNTS))
    Account.objects.bulk_create(
        Account(user=user, email=f"person{n}@mail{n % 7}.example") for n, user in enumerate(users)
    )
    visitors = [Visitor() for _ in users]
    for visitor, user in zip(visitors, users, strict=True):
        visitor.client.force_login(user, backend="shop.accounts.backend.AccountBackend")
    return visitors


def orders(item: SaleItem, visitor: Visitor, number: int, home: tuple[str, str, str]) -> Page:
    street, postcode, flat = home
    form = {
        **filled(visitor.get(at(item, "ticket/"))),
        "email": f"person{number}@mail{number % 7}.example",
        "name": f"Person {number}",
        "line1": street,
        "line2": flat,
        "postcode": postcode,
        "city": "Bremen",
        "country": "DE",
    }
    return visitor.post(at(item, "ticket/"), form)


def test_of_a_hundred_accounts_at_one_address_one_orders_and_99_are_told_why() -> None:
    item = open_item(ACCOUNTS + 20)
    visitors = with_accounts()
    homes = zip(cycle(STREETS), cycle(POSTCODES), cycle(FLATS), strict=False)
    with gated(item) as gate:
        for visitor in visitors:
            assert clicks(item, visitor).location == at(item, "ticket/")
        persons = set(Ticket.objects.values_list("person", flat=True))
        pages = [
            orders(item, visitor, number, home)
            for number, (visitor, home) in enumerate(zip(visitors, homes, strict=False))
        ]

        assert persons == {f"account:{pk}" for pk in Account.objects.values_list("pk", flat=True)}
        assert Counter(page.status for page in pages) == {303: 1, 409: ACCOUNTS - 1}
        reason = "This postal address has the one unit of this sale that one person may have."
        assert all(reason in page.words for page in pages if page.status == 409)
        assert Order.objects.count() == 1
        assert units(gate) == (20, ACCOUNTS, 0)

        for visitor, page in zip(visitors, pages, strict=True):
            if page.status == 409:
                visitor.post(at(item, "give-back/"), page.form("give-back"))

        item.refresh_from_db()
        assert (item.free, item.held, item.sold) == (ACCOUNTS + 19, 1, 0)
        assert units(gate) == (ACCOUNTS + 19, 1, 0)
        ordered = Ticket.objects.get(status=TicketStatus.ORDERED)
        assert set(SaleIdentity.objects.values_list("ticket_id", flat=True)) == {ordered.pk}
        # Whoever gave back may come again, with an address of their own.
        again = visitors[-1]
        assert clicks(item, again).location == at(item, "ticket/")
        assert orders(item, again, ACCOUNTS - 1, ("Elsewhere 1", "10115", "")).status == 303

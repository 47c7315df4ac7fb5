"""The audit of a sale finds what was planted, and invents nothing."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from orders.models import Order, OrderLine, SetAside
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.placement import place_order
from shop.flash_sales import proof
from shop.flash_sales.expiring import follow_paid
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.ordering import order_with_ticket
from shop.flash_sales.rebuilding import build_gates
from shop.flash_sales.reconciling import reconcile
from shop.flash_sales.tickets import write_ticket
from tests.integration.back_office_sales import open_sale
from tests.integration.own_bank import OwnBank, own_bank
from tests.integration.shopping import command, lease_on, line

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def bank_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBank]:
    with own_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture
def item(bank_of_ours: OwnBank, settings: LazySettings, tmp_path: Path) -> Iterator[SaleItem]:
    """Of a running sale of four units: one sold, one held, two free."""
    bank_of_ours.open_anew(settings)
    settings.MAIL_DIR = str(tmp_path)
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
    item = open_sale(4)
    build_gates(item.sale)
    gate = Gate(item.sale_id, item.pk)
    paid(ticket(item, "visitor:a"))
    ticket(item, "visitor:b")
    follow_paid()
    reconcile(SaleItem.objects.select_related("sale").get(pk=item.pk))
    yield SaleItem.objects.select_related("sale").get(pk=item.pk)
    gate.drop()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    # A planted fault does not go away by itself.
    monkeypatch.setattr(proof, "_BETWEEN_SECONDS", 0.0)


def ticket(item: SaleItem, person: str) -> Ticket:
    gate = Gate(item.sale_id, item.pk)
    grant = gate.click(person)
    written = write_ticket(item, person=person, nonce=grant.nonce, place=grant.place)
    assert gate.written(person, grant.nonce)
    return written


def paid(ticket: Ticket) -> Order:
    order = order_with_ticket(ticket, command())
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
        deduct_inventory(order.pk, lease)
    return order


def unpaid() -> Order:
    """An order of the sale's SKU that nobody has paid yet."""
    return place_order(command(line("SALE-MUG")))


def audit(item: SaleItem, *more: str) -> tuple[int, str]:
    """(exit status, what was printed)"""
    out = StringIO()
    try:
        call_command("audit", "--sale", item.sale.slug, *more, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def broken(item: SaleItem) -> list[str]:
    _status, printed = audit(item, "--json")
    return [rule["rule"] for rule in json.loads(printed)["rules"] if rule["breaches"]]


def test_a_sale_that_runs_as_it_should_is_proved(item: SaleItem) -> None:
    status, printed = audit(item)

    assert (status, broken(item)) == (0, [])
    assert "ok      Units of a sale = sold + held + free (1 checked)" in printed
    assert "ok      A ticket is what became of its order (2 checked)" in printed
    assert "The promise holds." in printed


def test_its_orders_are_audited_with_it_and_no_others(item: SaleItem) -> None:
    _status, printed = audit(item, "--json")

    assert json.loads(printed)["counts"]["orders"] == 1


def test_what_is_still_held_counts_as_lost_once_all_should_be_over(item: SaleItem) -> None:
    status, printed = audit(item, "--settled")

    assert status == 1
    assert "(held for a person): it should have ended" in printed


def _one_more_held(item: SaleItem) -> None:
    SaleItem.objects.filter(pk=item.pk).update(held=F("held") + 1)


def _fewer_set_aside(item: SaleItem) -> None:
    assert item.set_aside_id is not None
    SetAside.objects.filter(pk=item.set_aside_id).update(quantity=F("quantity") - 1)


def _two_of_one_person(item: SaleItem) -> None:
    item.tickets.update(person="visitor:a")


def _another_price(item: SaleItem) -> None:
    OrderLine.objects.update(unit_price_cents=1)


def _sold_without_money(item: SaleItem) -> None:
    item.tickets.filter(status="held").update(status="sold", order=unpaid())


def _forgotten(item: SaleItem) -> None:
    item.tickets.filter(status="held").update(held_until=timezone.now() - timedelta(minutes=5))


def _gate_gone(item: SaleItem) -> None:
    Gate(item.sale_id, item.pk).drop()


def _gate_ahead(item: SaleItem) -> None:
    Gate(item.sale_id, item.pk).change(add_units=3)


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (_one_more_held, "Units of a sale = sold + held + free"),
        (_fewer_set_aside, "What a sale has is what is set aside"),
        (_two_of_one_person, "Nobody has more units than the limit"),
        (_another_price, "A ticket's order is one unit of its item at its price"),
        (_sold_without_money, "A ticket is what became of its order"),
        (_forgotten, "Every ticket comes to an end"),
        (_gate_gone, "The gate says what the database says"),
        (_gate_ahead, "The gate says what the database says"),
    ],
)
def test_each_planted_fault_is_found(
    item: SaleItem, plant: Callable[[SaleItem], Any], rule: str
) -> None:
    plant(item)

    assert rule in broken(item)
    assert audit(item)[0] == 1


def test_a_grant_that_is_being_written_down_is_no_fault(item: SaleItem) -> None:
    assert Gate(item.sale_id, item.pk).click("visitor:c").nonce

    assert broken(item) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--sale", "nowhere"), "There is no sale 'nowhere'."),
        (("--sale", "nowhere", "--order", "7K2Q-9FWD"), "goes with --json and --settled only"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as told:
        call_command("audit", *arguments)

    assert told.value.returncode == 2


def test_a_gate_that_does_not_answer_is_no_verdict(item: SaleItem, settings: LazySettings) -> None:
    settings.GATE_URL = "redis://127.0.0.1:1/0"

    with pytest.raises(CommandError, match="does not answer") as told:
        audit(item)

    settings.GATE_URL = settings.CACHES["default"]["LOCATION"]
    assert told.value.returncode == 2

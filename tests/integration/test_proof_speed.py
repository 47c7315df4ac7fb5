"""The bar: a period with 10,000 orders is proved in under 20 seconds."""

import os
import secrets
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from orders.models import Payment
from orders.services.proof import Period, Proof, prove
from orders.services.proof_document import as_csv, as_html, as_json
from tests.integration import sold_orders as sold
from tests.integration.multiplied import multiply
from tests.integration.own_bank import OwnBank, own_bank

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 10_000
SECONDS = 20.0


@pytest.fixture
def bank_of_ours(
    tmp_path_factory: pytest.TempPathFactory, settings: LazySettings
) -> Iterator[OwnBank]:
    settings.PROOF_KEY = secrets.token_urlsafe(50)
    with own_bank(tmp_path_factory.mktemp("bank")) as bank:
        bank.open_anew(settings)
        yield bank


def plant(books: Path) -> None:
    """Seven packed, two delivered and one partly refunded of ten."""
    refunded = sold.packed("REFUNDED", units=2)
    sold.refunded(refunded, units=1)
    for order, tenths in ((sold.packed("PACKED"), 7), (sold.delivered("SENT"), 2), (refunded, 1)):
        multiply(order, ORDERS * tenths // 10 - 1, books)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def proved() -> tuple[Proof, float]:
    """The proof and its seconds: by the clock, or of work where the machine is busy otherwise."""
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    clock = time.process_time if busy else time.monotonic
    began = clock()
    proof = prove(Period(date(2000, 1, 1), date(2100, 1, 1)))
    return proof, clock() - began


def test_ten_thousand_orders_are_proved_in_twenty_seconds(bank_of_ours: OwnBank) -> None:
    plant(bank_of_ours.books)

    proof, seconds = proved()

    assert proof.report.ok, proof.report.differences[:5]
    assert len(proof.rows) == proof.report.counts["captures_at_gateway"] == ORDERS
    assert proof.report.counts["refunds_at_gateway"] == ORDERS // 10
    assert seconds < SECONDS
    assert all(write(proof) for write in (as_json, as_csv, as_html))

    # One needle in the haystack.
    Payment.objects.filter(pk=Payment.objects.order_by("-pk")[ORDERS // 2].pk).update(
        refund_reserved_cents=1
    )
    assert [item.code for item in proved()[0].report.differences] == ["reservation_differs"]

"""One planted fault for each kind of difference, each on an order and a SKU of its own.

A plant makes its order by real services, then does to it what a defect, a hand in the database or
a stranger with the provider's key would do. It returns the subject under which it must be found.
"""

import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from orders.gateways.chosen import get_gateway
from orders.gateways.payment import Captured, CaptureRequest, Refunded, RefundRequest
from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    Refund,
    Return,
    ShipmentLine,
    StockHold,
    StockItem,
)
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from tests.integration import sold_orders as sold
from tests.integration.shopping import lease_on

Plant = Callable[[str, Path], str]
LONG_AGO = timedelta(hours=1)


def rows(model: Any, order: Order) -> Any:
    field = {OrderLine: "order", StockHold: "line__order", ShipmentLine: "line__order"}
    return model.objects.filter(**{field.get(model, "order"): order})


def stock(sku: str) -> Any:
    return StockItem.objects.filter(sku=sku)


def drop_movements(sku: str, kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_stockmovement DISABLE TRIGGER append_only")
        cursor.execute("DELETE FROM orders_stockmovement WHERE sku = %s AND kind = %s", [sku, kind])
        cursor.execute("ALTER TABLE orders_stockmovement ENABLE TRIGGER append_only")


def charge(order: Order, *, payment_id: int, number: str = "") -> str:
    """Money taken by somebody with the provider's key; its reference."""
    answer = get_gateway().capture(
        CaptureRequest(
            idempotency_key=str(uuid4()),
            amount_cents=order.total_cents,
            currency="EUR",
            payment_method="pm_card_visa",
            order_number=number or order.number,
            payment_id=payment_id,
            description="",
            return_url="http://127.0.0.1:1/",
        )
    )
    assert isinstance(answer, Captured)
    return answer.reference


def give_back(order: Order, *, refund_id: int) -> str:
    payment = order.payments.get()
    answer = get_gateway().refund(
        RefundRequest(
            idempotency_key=str(uuid4()),
            payment_reference=payment.gateway_reference,
            amount_cents=100,
            currency="EUR",
            order_number=order.number,
            payment_id=payment.pk,
            refund_id=refund_id,
        )
    )
    assert isinstance(answer, Refunded)
    return answer.reference


def more_was_sold_than_came(sku: str, _books: Path) -> str:
    sold.packed(sku)
    drop_movements(sku, "received")
    return sku


def the_shelf_counts_wrongly(sku: str, _books: Path) -> str:
    sold.packed(sku)
    stock(sku).update(on_hand=77)
    return sku


def units_are_held_for_nobody(sku: str, _books: Path) -> str:
    sold.packed(sku)
    stock(sku).update(held=1)
    return sku


def a_hold_is_opened_again(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    rows(StockHold, order).update(status="held")
    stock(sku).update(held=1)
    return order.number


def a_hold_is_released_too_early(sku: str, _books: Path) -> str:
    order = sold.placed(sku)
    rows(StockHold, order).update(status="released")
    stock(sku).update(held=0)
    return order.number


def a_deduction_is_lost(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    drop_movements(sku, "deducted")
    stock(sku).update(on_hand=F("on_hand") + 1)
    return order.number


def a_packed_order_is_forgotten(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    Order.objects.filter(pk=order.pk).update(fulfilment="unfulfilled")
    rows(StockHold, order).update(status="held")
    stock(sku).update(held=1)
    return order.number


def a_withdrawn_unit_vanishes(sku: str, _books: Path) -> str:
    order = sold.packed(sku, units=2)
    sold.refunded(order, units=1)
    drop_movements(sku, "returned")
    stock(sku).update(on_hand=F("on_hand") - 1)
    return order.number


def a_parcel_loses_its_contents(sku: str, _books: Path) -> str:
    order, _parcel = sold.shipped(sku)
    rows(ShipmentLine, order).delete()
    return order.number


def a_shipped_order_counts_as_packed(sku: str, _books: Path) -> str:
    order, _parcel = sold.shipped(sku)
    Order.objects.filter(pk=order.pk).update(fulfilment="packed")
    return order.number


def two_payments_are_captured(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    first = order.payments.get()
    first.pk, first.idempotency_key, first.form_key = None, uuid4(), uuid4()
    first.gateway_reference = charge(order, payment_id=0)
    first.save(force_insert=True)
    return order.number


def another_amount_is_charged(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    rows(Payment, order).update(amount_cents=F("amount_cents") + 1)
    return order.number


def a_cancelled_payment_is_charged(sku: str, _books: Path) -> str:
    order = sold.declined(sku)
    rows(Payment, order).update(status="cancelled", gateway_reference="")
    charge(order, payment_id=order.payments.get().pk)
    return order.number


def a_stranger_is_charged(sku: str, _books: Path) -> str:
    charge(sold.packed(sku), payment_id=0, number="NO-ORDER")
    return "NO-ORDER"


def money_is_made_up(sku: str, _books: Path) -> str:
    order = sold.placed(sku)
    settled = {"status": "captured", "settled_at": Now() - LONG_AGO}
    rows(Payment, order).update(gateway_reference=f"pi_never_{sku}", **settled)
    Order.objects.filter(pk=order.pk).update(status="paid")
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    return sold.told(order).number


def somebody_refunds_in_the_dashboard(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    give_back(order, refund_id=0)
    return order.number


def a_moved_refund_counts_as_refused(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    sold.refunded(order, 100)
    rows(Refund, order).update(status="refused")
    rows(Payment, order).update(refund_reserved_cents=0)
    return order.number


def a_refund_is_made_up(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    refund = sold.refund_of(order, 100)
    moved = {"status": "moved", "gateway_reference": f"re_never_{sku}"}
    rows(Refund, order).update(settled_at=Now() - LONG_AGO, **moved)
    mail = {"kind": "refund_sent", "cause": f"refund:{refund.pk}", "status": "sent"}
    Notification.objects.create(order=order, recipient=order.email, **mail)
    return order.number


def another_amount_is_refunded(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    sold.refunded(order, 100)
    rows(Refund, order).update(amount_cents=90)
    rows(Payment, order).update(refund_reserved_cents=90)
    return order.number


def more_goes_back_than_came(sku: str, books: Path) -> str:
    order = sold.packed(sku)
    reference = sold.refunded(order, 100).gateway_reference
    with sqlite3.connect(books) as database:
        (body,) = database.execute("SELECT body FROM objects WHERE id = ?", [reference]).fetchone()
        changed = json.dumps({**json.loads(body), "amount": order.total_cents + 1})
        database.execute("UPDATE objects SET body = ? WHERE id = ?", [changed, reference])
    return order.number


def a_reservation_is_forgotten(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    rows(Payment, order).update(refund_reserved_cents=1)
    return order.number


def an_order_is_paid_too_little(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    Order.objects.filter(pk=order.pk).update(total_cents=F("total_cents") + 1)
    return order.number


def a_paid_order_counts_as_failed(sku: str, _books: Path) -> str:
    order = sold.asked(sku)
    Order.objects.filter(pk=order.pk).update(status="payment_failed")
    return order.number


def a_cancelled_order_keeps_a_part(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    sold.refunded(order, 900, units=1)
    return order.number


def a_bank_refuses_the_refund(sku: str, _books: Path) -> str:
    order = sold.packed(sku, method=REFUSES_REFUNDS)
    sold.refunded(order, 100)
    return order.number


def an_order_is_left_alone(sku: str, _books: Path) -> str:
    order = sold.placed(sku)
    Order.objects.filter(pk=order.pk).update(changed_at=Now() - LONG_AGO)
    return order.number


def a_payment_outlives_its_order(sku: str, _books: Path) -> str:
    order = sold.placed(sku)
    rows(Payment, order).update(asked_at=Now() - LONG_AGO, created_at=Now() - LONG_AGO)
    cancel_order(order.pk, actor=sold.STAFF, reason="test")
    Order.objects.filter(pk=order.pk).update(changed_at=Now() - LONG_AGO)
    return sold.told(order).number


def a_refund_is_left_alone(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    sold.refund_of(order, 100)
    rows(Refund, order).update(created_at=Now() - LONG_AGO)
    return order.number


def a_return_never_comes(sku: str, _books: Path) -> str:
    order, coming = sold.announced(sku)
    Return.objects.filter(pk=coming.pk).update(announced_at=Now() - timedelta(days=800))
    return order.number


def a_mail_is_forgotten(sku: str, _books: Path) -> str:
    order, _parcel = sold.shipped(sku)
    rows(Notification, order).filter(kind="order_shipped").delete()
    return order.number


def a_mail_is_left_alone(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    rows(Notification, order).update(status="pending", created_at=Now() - LONG_AGO)
    return order.number


def a_mail_server_refuses(sku: str, _books: Path) -> str:
    order = sold.packed(sku)
    rows(Notification, order).update(status="refused", problem="550 no such user")
    return order.number


REFUSES_REFUNDS = "pm_sandbox_refund_refused"

PLANTS: list[tuple[Plant, set[str]]] = [
    (more_was_sold_than_came, {"sold_more_than_received", "ledger_differs"}),
    (the_shelf_counts_wrongly, {"ledger_differs"}),
    (units_are_held_for_nobody, {"held_differs"}),
    (a_hold_is_opened_again, {"hold_left_open"}),
    (a_hold_is_released_too_early, {"hold_missing"}),
    (a_deduction_is_lost, {"not_deducted"}),
    (a_packed_order_is_forgotten, {"deducted_unpacked"}),
    (a_withdrawn_unit_vanishes, {"units_differ"}),
    (a_parcel_loses_its_contents, {"line_counts_differ"}),
    (a_shipped_order_counts_as_packed, {"fulfilment_differs"}),
    (two_payments_are_captured, {"charged_twice"}),
    (another_amount_is_charged, {"amount_differs"}),
    (a_cancelled_payment_is_charged, {"charge_not_written"}),
    (a_stranger_is_charged, {"charge_unknown"}),
    (money_is_made_up, {"capture_missing"}),
    (somebody_refunds_in_the_dashboard, {"refund_unknown"}),
    (a_moved_refund_counts_as_refused, {"refund_not_written", "refund_refused"}),
    (a_refund_is_made_up, {"refund_missing"}),
    (another_amount_is_refunded, {"refund_amount_differs"}),
    (more_goes_back_than_came, {"refunded_beyond_capture", "refund_amount_differs"}),
    (a_reservation_is_forgotten, {"reservation_differs"}),
    (an_order_is_paid_too_little, {"paid_without_money"}),
    (a_paid_order_counts_as_failed, {"money_without_order"}),
    (a_cancelled_order_keeps_a_part, {"money_kept"}),
    (a_bank_refuses_the_refund, {"refund_refused"}),
    (an_order_is_left_alone, {"order_stuck"}),
    (a_payment_outlives_its_order, {"payment_stuck"}),
    (a_refund_is_left_alone, {"refund_stuck"}),
    (a_return_never_comes, {"return_stuck"}),
    (a_mail_is_forgotten, {"mail_missing"}),
    (a_mail_is_left_alone, {"mail_stuck"}),
    (a_mail_server_refuses, {"mail_refused"}),
]
"""Each with all the kinds under which it must be found, and no other."""

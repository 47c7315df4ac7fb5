"""Parcels and returns: each unit ships once, comes back once and is refunded once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from orders.errors import NotReturnable, NotShippable
from orders.models import Notification, Order, Return, Shipment
from orders.services.returns import (
    ReceivedLine,
    announce_return,
    lapse_returns,
    receive_return,
    withdraw_return,
)
from orders.services.shipping import mark_delivered, ship_lines
from orders.states import FulfilmentStatus, ReturnStatus
from tests.integration.lives import (
    STAFF,
    announced,
    fresh,
    moved,
    packed,
    paid,
    shipped,
    taken,
    units_of,
)
from tests.integration.shopping import line, units

pytestmark = pytest.mark.django_db(transaction=True)


def receive(
    coming: Return, received: int, restocked: int, *, refund_cents: int | None = None
) -> None:
    item = coming.lines.get()
    receive_return(
        coming.pk,
        received=(ReceivedLine(item.line_id, received, restocked),),
        refund_cents=refund_cents,
        actor=STAFF,
    )


def test_an_order_ships_in_two_parcels_and_is_delivered_with_the_last() -> None:
    order = packed(line("MUG", 2), line("VASE"))

    first = shipped(order, units_of(order, "MUG", 2))
    assert fresh(order).fulfilment == FulfilmentStatus.PARTLY_SHIPPED
    second = shipped(order)
    assert fresh(order).fulfilment == FulfilmentStatus.SHIPPED
    mark_delivered(first.pk, actor=STAFF)
    assert fresh(order).fulfilment == FulfilmentStatus.SHIPPED
    mark_delivered(second.pk, actor=STAFF)
    mark_delivered(second.pk, actor=STAFF)

    assert fresh(order).fulfilment == FulfilmentStatus.DELIVERED
    told = list(order.notifications.order_by("pk").values_list("kind", "cause"))[1:]
    assert told == [
        (Notification.Kind.ORDER_SHIPPED, f"shipment:{first.pk}"),
        (Notification.Kind.ORDER_SHIPPED, f"shipment:{second.pk}"),
        (Notification.Kind.ORDER_DELIVERED, f"shipment:{first.pk}"),
        (Notification.Kind.ORDER_DELIVERED, f"shipment:{second.pk}"),
    ]


def test_the_same_form_twice_is_one_parcel() -> None:
    order = packed(line("MUG", 2))
    key = uuid4()

    one = [units_of(order, "MUG", 1)]
    first = ship_lines(order.pk, form_key=key, lines=tuple(one), actor=STAFF)
    second = ship_lines(order.pk, form_key=key, lines=tuple(one), actor=STAFF)

    assert first == second
    assert order.lines.get().shipped == 1


def test_more_units_than_are_left_do_not_ship() -> None:
    order = packed(line("MUG", 2))
    shipped(order, units_of(order, "MUG", 1))

    with pytest.raises(NotShippable, match="only 1"):
        shipped(order, units_of(order, "MUG", 2))

    assert Shipment.objects.count() == 1


def test_what_is_not_packed_does_not_ship() -> None:
    with pytest.raises(NotShippable, match="not packed"):
        shipped(paid())


def test_a_carrier_that_nobody_knows_is_refused() -> None:
    order = packed(line("MUG"))

    with pytest.raises(NotShippable, match="carrier"):
        ship_lines(order.pk, form_key=uuid4(), carrier="pigeon", actor=STAFF)


def test_a_return_comes_back_on_the_shelf_and_is_refunded() -> None:
    order = packed(line("MUG", 2))
    shipped(order)
    coming = announced(order, units_of(order, "MUG", 1))

    receive(coming, 1, 1)
    receive(coming, 1, 1)

    coming.refresh_from_db()
    assert coming.status == ReturnStatus.RECEIVED
    assert coming.refund is not None
    assert moved(coming.refund).amount_cents == 1_000
    assert taken(order) == order.total_cents - 1_000
    assert units("MUG") == (4, 0)
    assert order.lines.get().returned == 1


def test_what_came_back_broken_is_written_off() -> None:
    order = packed(line("MUG", 2))
    shipped(order)

    receive(announced(order), 2, 1, refund_cents=500)

    assert units("MUG") == (4, 0)
    assert order.refunds.get().amount_cents == 500


def test_a_return_without_money_refunds_nothing() -> None:
    order = packed(line("MUG"))
    shipped(order)

    receive(announced(order), 1, 0, refund_cents=0)

    assert not order.refunds.exists()
    assert order.lines.get().refunded == 0


def test_what_did_not_come_can_be_announced_again() -> None:
    order = packed(line("MUG", 2))
    shipped(order)

    receive(announced(order), 1, 1)

    assert order.lines.get().returnable == 1


def test_a_unit_cannot_come_back_twice() -> None:
    order = packed(line("MUG"))
    shipped(order)
    announced(order)

    with pytest.raises(NotReturnable):
        announced(order)


def test_a_withdrawn_return_frees_its_units_and_is_not_received() -> None:
    order = packed(line("MUG"))
    shipped(order)
    coming = announced(order)

    withdraw_return(coming.pk, actor="shopper")
    withdraw_return(coming.pk, actor="shopper")

    assert order.lines.get().returnable == 1
    with pytest.raises(NotReturnable, match="withdrawn"):
        receive(coming, 1, 1)


def test_a_return_that_never_arrives_lapses_and_is_received_when_it_does() -> None:
    order = packed(line("MUG"))
    shipped(order)
    coming = announced(order)
    Return.objects.update(announced_at=Now() - timedelta(days=400))

    assert lapse_returns() == 1
    assert order.lines.get().returnable == 1
    receive(coming, 1, 1)

    assert order.lines.get().returned == 1
    assert order.refunds.get().amount_cents == 1_000


def test_a_lapsed_return_whose_units_were_announced_again_is_not_received_twice() -> None:
    order = packed(line("MUG"))
    shipped(order)
    old = announced(order)
    Return.objects.update(announced_at=Now() - timedelta(days=400))
    lapse_returns()
    announced(order)

    with pytest.raises(NotReturnable, match="another return"):
        receive(old, 1, 1)

    assert units("MUG") == (4, 0)


def test_more_than_was_announced_or_more_on_the_shelf_than_came_is_refused() -> None:
    order = packed(line("MUG", 2))
    shipped(order)
    coming = announced(order)

    for received, restocked in ((3, 1), (1, 2), (0, 0)):
        with pytest.raises(NotReturnable):
            receive(coming, received, restocked)

    assert units("MUG") == (3, 0)


def test_a_parcel_of_long_ago_is_not_sent_back() -> None:
    order = packed(line("MUG"))
    shipped(order)
    Shipment.objects.update(shipped_at=Now() - timedelta(days=400))

    with pytest.raises(NotReturnable, match="within 30 days"):
        announced(order)


def test_the_same_return_form_twice_is_one_return() -> None:
    order: Order = packed(line("MUG"))
    shipped(order)
    key = uuid4()

    for _ in range(2):
        announce_return(order.pk, form_key=key, lines=(), reason="", actor="shopper")

    assert order.returns.count() == 1

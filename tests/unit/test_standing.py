"""When an order has ended, as a table."""

from dataclasses import replace

import pytest

from orders.standing import Standing, open_business
from orders.states import FulfilmentStatus, OrderStatus

DELIVERED = Standing(
    status=OrderStatus.PAID,
    fulfilment=FulfilmentStatus.DELIVERED,
    units_to_ship=0,
    owed_cents=0,
    payment_is_open=False,
    refund_is_open=False,
    return_is_open=False,
    parcel_is_under_way=False,
    mail_is_owed=False,
)
UNPACKED = {"fulfilment": FulfilmentStatus.UNFULFILLED, "units_to_ship": 1}


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ({}, ""),
        ({"status": OrderStatus.EXPIRED, **UNPACKED}, ""),
        ({"status": OrderStatus.CANCELLED, **UNPACKED}, ""),
        # Nothing is left to ship: all of it was withdrawn and refunded.
        ({"fulfilment": FulfilmentStatus.PACKED}, ""),
        ({"status": OrderStatus.PLACED, **UNPACKED}, "not settled"),
        ({"status": OrderStatus.EXPIRED, "payment_is_open": True}, "not settled"),
        ({"status": OrderStatus.PAYMENT_FAILED, **UNPACKED}, "another card"),
        (UNPACKED, "not shipped"),
        ({"fulfilment": FulfilmentStatus.PARTLY_SHIPPED, "units_to_ship": 2}, "not shipped"),
        ({"fulfilment": FulfilmentStatus.SHIPPED, "parcel_is_under_way": True}, "parcel"),
        ({"refund_is_open": True}, "money"),
        ({"status": OrderStatus.CANCELLED, "owed_cents": 1}, "money"),
        ({"return_is_open": True}, "return"),
        ({"mail_is_owed": True}, "mail"),
    ],
)
def test_an_order_has_ended_when_nothing_is_left_to_do(
    differences: dict[str, object], word: str
) -> None:
    reason = open_business(replace(DELIVERED, **differences))  # type: ignore[arg-type]

    assert (word in reason) if word else reason == ""

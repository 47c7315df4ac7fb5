"""The table of transitions, read as sentences."""

import pytest

from orders.states import (
    ORDER_TRANSITIONS,
    PAYMENT_TRANSITIONS,
    OrderStatus,
    PaymentStatus,
    may_become,
)


def test_every_state_has_its_row() -> None:
    assert set(ORDER_TRANSITIONS) == set(OrderStatus)
    assert set(PAYMENT_TRANSITIONS) == set(PaymentStatus)


@pytest.mark.parametrize("final", [OrderStatus.PAID, OrderStatus.EXPIRED])
def test_a_final_state_is_left_by_nobody(final: OrderStatus) -> None:
    assert not any(may_become(final, other) for other in OrderStatus)


def test_an_order_whose_payment_is_in_flight_cannot_expire() -> None:
    assert not may_become(OrderStatus.PLACED, OrderStatus.EXPIRED)


def test_a_declined_order_may_be_paid_with_another_card() -> None:
    assert may_become(OrderStatus.PAYMENT_FAILED, OrderStatus.PLACED)


def test_silence_of_the_bank_never_ends_as_pending_again() -> None:
    assert PaymentStatus.PENDING not in PAYMENT_TRANSITIONS[PaymentStatus.UNKNOWN]

"""The table of transitions, read as sentences."""

import pytest

from orders.states import (
    FULFILMENT_TRANSITIONS,
    PAYMENT_TRANSITIONS,
    TABLES,
    FulfilmentStatus,
    LineUnits,
    OrderStatus,
    PaymentStatus,
    fulfilment_after,
    may_become,
    sources,
)


def test_every_state_has_its_row_and_every_row_leads_to_states_of_its_kind() -> None:
    for noun, table in TABLES.items():
        kind = type(next(iter(table)))
        assert set(table) == set(kind), noun
        assert all(targets <= set(kind) for targets in table.values()), noun


def test_a_cancelled_order_is_left_by_nobody() -> None:
    assert not any(may_become(OrderStatus.CANCELLED, other) for other in OrderStatus)


def test_an_expired_order_is_only_revived_by_money() -> None:
    assert [other for other in OrderStatus if may_become(OrderStatus.EXPIRED, other)] == [
        OrderStatus.PAID
    ]


def test_captured_money_is_never_forgotten() -> None:
    assert PAYMENT_TRANSITIONS[PaymentStatus.CAPTURED] == frozenset()
    assert set(sources(PAYMENT_TRANSITIONS, PaymentStatus.CAPTURED)) == set(PaymentStatus) - {
        PaymentStatus.CAPTURED
    }


@pytest.mark.parametrize(
    ("lines", "undelivered", "stands"),
    [
        ([(2, 0, 0)], 0, FulfilmentStatus.PACKED),
        ([(2, 0, 1)], 1, FulfilmentStatus.PARTLY_SHIPPED),
        ([(2, 0, 1)], 0, FulfilmentStatus.PARTLY_SHIPPED),
        ([(2, 1, 1)], 1, FulfilmentStatus.SHIPPED),
        ([(2, 1, 1)], 0, FulfilmentStatus.DELIVERED),
        ([(1, 0, 1), (1, 0, 0)], 1, FulfilmentStatus.PARTLY_SHIPPED),
        ([(1, 1, 0), (1, 0, 1)], 1, FulfilmentStatus.SHIPPED),
    ],
)
def test_where_an_order_stands_follows_from_its_units(
    lines: list[tuple[int, int, int]], undelivered: int, stands: FulfilmentStatus
) -> None:
    units = [LineUnits(*line) for line in lines]

    assert fulfilment_after(units, undelivered_shipments=undelivered) == stands


def test_parcels_never_go_backwards() -> None:
    order = list(FulfilmentStatus)
    for state, targets in FULFILMENT_TRANSITIONS.items():
        assert all(order.index(target) > order.index(state) for target in targets)


def test_an_order_whose_payment_is_in_flight_cannot_expire() -> None:
    assert not may_become(OrderStatus.PLACED, OrderStatus.EXPIRED)


def test_a_declined_order_may_be_paid_with_another_card() -> None:
    assert may_become(OrderStatus.PAYMENT_FAILED, OrderStatus.PLACED)


def test_silence_of_the_bank_never_ends_as_pending_again() -> None:
    assert PaymentStatus.PENDING not in PAYMENT_TRANSITIONS[PaymentStatus.UNKNOWN]

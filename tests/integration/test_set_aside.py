"""Units that are set aside: only chosen orders take them, and none is lost on the way back."""

from dataclasses import replace

import pytest

from orders.errors import NotCorrectable, OutOfStock
from orders.models import Order, SetAside, StockHold, StockItem
from orders.selectors import Fate, order_fates
from orders.services import set_aside, stock
from orders.services.audit_goods import shelf_differences
from orders.services.audit_scope import Scope
from orders.services.audit_shelf import count_shelf
from orders.services.placement import place_order
from orders.services.proof_repair import mend, repairs
from orders.services.shelf import receive_stock
from orders.states import OrderStatus
from orders.stock_books import books_of, with_books
from tests.integration.shopping import command, line, units

pytestmark = pytest.mark.django_db


def kept_units(quantity: int = 3, *, stock: int = 5) -> SetAside:
    receive_stock("VASE", stock, "test")
    return set_aside.set_aside("VASE", quantity, purpose="sale:1", actor="anna")


def order_from(kept: SetAside, quantity: int = 1) -> Order:
    wanted = replace(command(line("VASE", quantity)), set_asides={"VASE": kept.pk})
    return place_order(wanted)


def left(kept: SetAside) -> int:
    return SetAside.objects.get(pk=kept.pk).left


def test_units_set_aside_are_nobodys_who_comes_by_the_door() -> None:
    kept_units(3, stock=5)

    with pytest.raises(OutOfStock):
        place_order(command(line("VASE", 3)))

    place_order(command(line("VASE", 2)))
    assert units("VASE") == (5, 5)


def test_the_same_purpose_sets_aside_once() -> None:
    first = kept_units(3)
    second = set_aside.set_aside("VASE", 3, purpose="sale:1", actor="anna")

    assert first == second
    assert units("VASE") == (5, 3)


def test_more_than_is_free_is_refused_and_leaves_nothing_behind() -> None:
    with pytest.raises(NotCorrectable, match="only 5 are free"):
        kept_units(6, stock=5)

    assert not SetAside.objects.exists()
    assert units("VASE") == (5, 0)


def test_an_order_takes_its_units_from_there_and_the_shelf_holds_as_many_as_before() -> None:
    kept = kept_units(3)
    order_from(kept)

    assert left(kept) == 2
    assert units("VASE") == (5, 3)
    assert StockHold.objects.get().set_aside_id == kept.pk


def test_an_order_for_more_than_is_left_there_is_refused_although_the_shelf_has_some() -> None:
    kept = kept_units(3, stock=5)

    with pytest.raises(OutOfStock) as refusal:
        order_from(kept, 4)

    assert refusal.value.shortages[0].available == 3
    assert left(kept) == 3
    assert not Order.objects.exists()


def test_an_order_that_ends_gives_its_units_back_to_what_they_were_set_aside_in() -> None:
    kept = kept_units(3)
    order = order_from(kept)
    stock.release_holds(order.pk)

    assert left(kept) == 3
    assert units("VASE") == (5, 3)


def test_an_order_that_ends_after_the_close_gives_them_to_everybody() -> None:
    kept = kept_units(3)
    order = order_from(kept)

    assert set_aside.close(kept.pk) == 2
    assert units("VASE") == (5, 1)
    stock.release_holds(order.pk)

    assert units("VASE") == (5, 0)


def test_closing_twice_gives_back_once() -> None:
    kept = kept_units(3)

    assert [set_aside.close(kept.pk), set_aside.close(kept.pk)] == [3, 0]
    assert units("VASE") == (5, 0)


def test_units_can_be_added_and_given_back_while_it_is_open() -> None:
    kept = kept_units(3)
    set_aside.add_units(kept.pk, 2)
    set_aside.keep_less(kept.pk, 1)

    assert (left(kept), units("VASE")) == (4, (5, 4))
    with pytest.raises(NotCorrectable):
        set_aside.keep_less(kept.pk, 5)
    with pytest.raises(NotCorrectable):
        set_aside.add_units(kept.pk, 2)
    assert (left(kept), units("VASE")) == (4, (5, 4))


def test_the_audit_counts_what_is_set_aside_as_held() -> None:
    kept = kept_units(3)
    order_from(kept)

    [counted] = count_shelf(Scope())
    assert counted.held == counted.open_holds == StockItem.objects.get(sku="VASE").held == 3


def test_the_admins_books_are_right_while_units_are_set_aside() -> None:
    kept = kept_units(3)
    order_from(kept)

    books = books_of(with_books(StockItem.objects.filter(sku="VASE")).get())

    assert (books.kept, books.is_right) == (3, True)


def test_a_repair_of_the_held_units_leaves_what_is_set_aside_to_its_sale() -> None:
    kept = kept_units(3)
    order_from(kept)
    StockItem.objects.filter(sku="VASE").update(held=1)
    [counted] = count_shelf(Scope())

    for step in repairs(shelf_differences(counted)):
        mend(step)

    assert units("VASE") == (5, 3)


def test_what_became_of_orders_is_told_by_their_state_and_once_paid_is_paid() -> None:
    kept = kept_units(3)
    orders = [order_from(kept) for _ in range(3)]
    _, ended, paid = (order.pk for order in orders)
    Order.objects.filter(pk=ended).update(status=OrderStatus.EXPIRED)
    Order.objects.filter(pk=paid).update(status=OrderStatus.CANCELLED, paid_at=orders[0].placed_at)

    fates = order_fates([order.pk for order in orders])
    assert [fates[order.pk] for order in orders] == [Fate.OPEN, Fate.ENDED, Fate.PAID]

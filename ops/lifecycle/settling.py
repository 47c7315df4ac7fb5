"""The end of a run: the bank is well again, time goes by, and nothing comes from outside any more
but what the bank still has to tell."""

from typing import TYPE_CHECKING

from django.db.models import Q

from ops.lifecycle import at_the_bank
from ops.lifecycle.by_the_worker import age
from ops.lifecycle.errors import Broken
from orders import task_names
from orders.models import Order
from orders.selectors import money
from orders.services.refund import refund_overpayment
from orders.states import OPEN_REFUNDS, UNSETTLED_PAYMENTS, FulfilmentStatus, OrderStatus

if TYPE_CHECKING:
    from ops.lifecycle.world import World

_ROUNDS = 12
_SWEEPS = (task_names.EXPIRE_HOLDS, task_names.RESUME_STUCK_ORDERS)


def settle(world: "World") -> None:
    """Work off what waits and sweep, until a sweep finds nothing. Raises Broken when it never does.

    Messages and sweeps alone must find out what was asked for here. Only after them the bank tells
    what it did by itself: that may change what was closed, and no sweep is to find it.
    """
    bank = world.bank
    bank.moods.clear()
    bank.catch_up()
    bank.settle_pending(succeed=world.program.agrees)
    if world.program.agrees:
        bank.shopper_answers(agrees=True)
    _quiet(world)
    news = at_the_bank.tell_news(world)
    if news and not bank.acted_alone:
        raise Broken(f"{news} movements at the bank were asked for here and are not known.")
    if news:
        _quiet(world)
    if _gave_back(world):
        _quiet(world)


def _gave_back(world: "World") -> bool:
    """What came twice is given back by the staff; no sweep does that."""
    twice = [
        order
        for order in Order.objects.filter(pk__in=world.orders, status=OrderStatus.PAID)
        if money(order).overpaid_cents
    ]
    for order in twice:
        refund_overpayment(order.pk, actor="staff berta", cause=f"too much:{order.pk}")
    return bool(twice)


def _quiet(world: "World") -> None:
    for _ in range(_ROUNDS):
        _work_off(world)
        world.messages.send_mails()
        if _at_rest(world):
            return
        age(world, "2 hours")
        for name in _SWEEPS:
            world.messages.sweep(name)
        if not world.messages.waiting():
            # A sweep that ends an order leaves a mail behind, and nothing else.
            world.messages.send_mails()
            return
    told = [f"{message.task} {message.kwargs}" for message in world.messages.waiting()]
    raise Broken(f"It does not come to rest: {told} after {_ROUNDS} rounds.")


def _at_rest(world: "World") -> bool:
    """Whether there is nothing that a sweep would have to move on."""
    unfinished = (
        Q(status__in=(OrderStatus.PLACED, OrderStatus.PAYMENT_FAILED))
        | Q(status=OrderStatus.PAID, fulfilment=FulfilmentStatus.UNFULFILLED)
        | Q(payments__status__in=UNSETTLED_PAYMENTS)
        | Q(refunds__status__in=OPEN_REFUNDS)
    )
    return not Order.objects.filter(unfinished, pk__in=world.orders).exists()


def _work_off(world: "World") -> None:
    for _ in range(_ROUNDS):
        waiting = world.messages.waiting()
        if not waiting:
            return
        for message in waiting:
            world.history.append(f"settling: {world.messages.handle(message)}")

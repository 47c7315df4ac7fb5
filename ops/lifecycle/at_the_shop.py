"""What shoppers do: buy, pay with another card, cancel, send back."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from orders.models import Return
from orders.services.cancellation import cancel_order
from orders.services.cards import Card
from orders.services.lines import LineQuantity
from orders.services.payment import ask_again, give_up_action, retry_payment
from orders.services.returns import announce_return, withdraw_return
from orders.services.timeline import SHOPPER

if TYPE_CHECKING:
    from ops.lifecycle.world import World

Job = Callable[[], str]
CARD = Card("pm_card_visa", "visa", "4242")


def place_another(world: "World", _which: int, _how: int) -> Job:
    key = world.key("place", again=False)
    return lambda: world.place(key)


def place_again(world: "World", _which: int, _how: int) -> Job:
    key = world.key("place", again=True)
    return lambda: world.place(key)


def another_card(world: "World", which: int, how: int) -> Job:
    order_id = world.order_id(which)
    key = world.key(f"card {order_id}", again=how == 0)

    def job() -> str:
        retry_payment(order_id, CARD, key)
        return f"order {order_id}"

    return job


def cancel_as_shopper(world: "World", which: int, _: int) -> Job:
    order_id = world.order_id(which)

    def job() -> str:
        cancel_order(order_id, actor=SHOPPER, reason="Changed my mind.")
        return f"order {order_id}"

    return job


def comes_back_from_bank(world: "World", which: int, _: int) -> Job:
    order_id = world.order_id(which)

    def job() -> str:
        ask_again(order_id)
        return f"order {order_id}"

    return job


def gives_up_bank(world: "World", which: int, _: int) -> Job:
    order_id = world.order_id(which)

    def job() -> str:
        give_up_action(order_id)
        return f"order {order_id}"

    return job


def announces_return(world: "World", which: int, how: int) -> Job:
    order = world.order(which)
    key = world.key(f"return {order.pk}", again=how == 0)
    first = order.lines.order_by("pk").first()
    lines = (LineQuantity(first.pk, 1),) if how % 2 and first else ()

    def job() -> str:
        announced = announce_return(
            order.pk, form_key=key, lines=lines, reason="Too big.", actor=SHOPPER
        )
        return f"return {announced.pk}"

    return job


def withdraws_return(world: "World", which: int, _: int) -> Job:
    coming = Return.objects.filter(order_id__in=world.orders).order_by("-pk").first()
    if coming is None:
        return lambda: "nothing comes back"

    def job() -> str:
        withdraw_return(coming.pk, actor=SHOPPER)
        return f"return {coming.pk}"

    return job


ACTIONS = {
    action.__name__: action
    for action in (
        place_another,
        place_again,
        another_card,
        cancel_as_shopper,
        comes_back_from_bank,
        gives_up_bank,
        announces_return,
        withdraws_return,
    )
}

"""What the staff does: cancel, refund, ship, receive, and look after the shelf."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from orders.models import Return, Shipment
from orders.services.cancellation import cancel_order
from orders.services.lines import LineQuantity
from orders.services.refund import RequestRefund, refund_overpayment, request_refund
from orders.services.returns import ReceivedLine, receive_return
from orders.services.shelf import correct_stock, receive_stock, write_off
from orders.services.shipping import mark_delivered, ship_lines

if TYPE_CHECKING:
    from ops.lifecycle.world import World

Job = Callable[[], str]
STAFF = "staff berta"


def cancel_as_staff(world: "World", which: int, how: int) -> Job:
    order_id = world.order_id(which)

    def job() -> str:
        cancel_order(order_id, actor=STAFF, reason="Asked by phone.", restock=how % 2 == 0)
        return f"order {order_id}"

    return job


def refund_all(world: "World", which: int, how: int) -> Job:
    return _refund(world, which, how)


def refund_line(world: "World", which: int, how: int) -> Job:
    first = world.order(which).lines.order_by("pk").first()
    return _refund(world, which, how, lines=(LineQuantity(first.pk, 1),) if first else ())


def refund_amount(world: "World", which: int, how: int) -> Job:
    return _refund(world, which, how, amount_cents=(how + 1) * 300)


def _refund(
    world: "World",
    which: int,
    how: int,
    *,
    lines: tuple[LineQuantity, ...] = (),
    amount_cents: int | None = None,
) -> Job:
    order_id = world.order_id(which)
    command = RequestRefund(
        order_id=order_id,
        cause=f"form:{world.key(f'refund {order_id}', again=how == 0)}",
        reason="It was scratched.",
        actor=STAFF,
        lines=lines,
        amount_cents=amount_cents,
        restock=how % 2 == 0,
    )
    return lambda: f"refunds {[refund.pk for refund in request_refund(command)]}"


def refund_what_was_too_much(world: "World", which: int, how: int) -> Job:
    order_id = world.order_id(which)
    cause = f"form:{world.key(f'too much {order_id}', again=how == 0)}"

    def job() -> str:
        refunds = refund_overpayment(order_id, actor=STAFF, cause=cause)
        return f"refunds {[refund.pk for refund in refunds]}"

    return job


def ship(world: "World", which: int, how: int) -> Job:
    order = world.order(which)
    key = world.key(f"parcel {order.pk}", again=how == 0)
    last = order.lines.order_by("pk").last()
    lines = (LineQuantity(last.pk, 1),) if how % 2 and last else ()
    return lambda: str(ship_lines(order.pk, form_key=key, lines=lines, actor=STAFF))


def deliver(world: "World", which: int, _: int) -> Job:
    parcels = list(Shipment.objects.filter(order_id__in=world.orders).order_by("pk"))
    if not parcels:
        return lambda: "no parcel"
    parcel = parcels[which % len(parcels)]

    def job() -> str:
        mark_delivered(parcel.pk, actor=STAFF)
        return str(parcel)

    return job


def receive(world: "World", which: int, how: int) -> Job:
    coming = Return.objects.filter(order_id__in=world.orders).order_by("-pk").first()
    if coming is None:
        return lambda: "nothing comes back"
    received = tuple(
        ReceivedLine(item.line_id, item.quantity, item.quantity * (how % 2))
        for item in coming.lines.all()[: 1 + which]
    )
    refund_cents = (None, None, 0, 300)[how % 4]

    def job() -> str:
        receive_return(coming.pk, received=received, refund_cents=refund_cents, actor=STAFF)
        return f"return {coming.pk}"

    return job


def shelve_more(world: "World", which: int, how: int) -> Job:
    sku = world.skus[which % len(world.skus)]
    cause = str(world.key(f"delivery {sku}", again=how == 0))

    def job() -> str:
        receive_stock(sku, 2, "delivered", actor=STAFF, cause=cause)
        return sku

    return job


def correct(world: "World", which: int, how: int) -> Job:
    sku = world.skus[which % len(world.skus)]
    cause = str(world.key(f"count {sku}", again=how == 0))

    def job() -> str:
        correct_stock(sku, (-1, 1)[how % 2], "counted", actor=STAFF, cause=cause)
        return sku

    return job


def write_one_off(world: "World", which: int, how: int) -> Job:
    sku = world.skus[which % len(world.skus)]
    cause = str(world.key(f"broken {sku}", again=how == 0))

    def job() -> str:
        write_off(sku, 1, "broken", actor=STAFF, cause=cause)
        return sku

    return job


ACTIONS = {
    action.__name__: action
    for action in (
        cancel_as_staff,
        refund_all,
        refund_line,
        refund_amount,
        refund_what_was_too_much,
        ship,
        deliver,
        receive,
        shelve_more,
        correct,
        write_one_off,
    )
}

"""Orders brought to each state of their life by the services that bring them there in the shop."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from orders.models import Notification, Order, Return, Shipment
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.lines import LineQuantity
from orders.services.payment import capture_payment
from orders.services.placement import place_order
from orders.services.refund import RequestRefund, request_refund
from orders.services.refunding import move_refund
from orders.services.returns import ReceivedLine, announce_return, receive_return
from orders.services.shelf import receive_stock
from orders.services.shipping import mark_delivered, ship_lines
from orders.services.sweeping import expire_holds
from orders.services.timeline import SHOPPER
from tests.integration.sandbox_server import SandboxServer
from tests.integration.shopping import command, lease_on, line

STAFF = "staff vera"
CHECKED = "pm_card_authenticationRequired"
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"


def placed(payment_method: str = "pm_card_visa") -> Order:
    """Two mugs and a bowl, not paid yet."""
    for sku in ("MUG", "BOWL"):
        receive_stock(sku, 5, "test")
    lines = (line("MUG", 2, 2_800), line("BOWL", 1, 1_900))
    return place_order(command(*lines, payment_method=payment_method))


def ask_bank(order: Order) -> Order:
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.latest("pk").pk, lease)
    order.refresh_from_db()
    return order


def checked() -> Order:
    """The bank wants to see the shopper."""
    return ask_bank(placed(CHECKED))


def declined() -> Order:
    return ask_bank(placed(DECLINED))


def paid(payment_method: str = "pm_card_visa") -> Order:
    return ask_bank(placed(payment_method))


def packed(payment_method: str = "pm_card_visa") -> Order:
    order = paid(payment_method)
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    order.refresh_from_db()
    return order


def confirmed(payment_method: str = "pm_card_visa") -> Order:
    """Packed, and the shopper has mail."""
    order = packed(payment_method)
    order.notifications.filter(kind=Notification.Kind.ORDER_CONFIRMED).update(
        status=Notification.Status.SENT, sent_at=timezone.now()
    )
    return order


def ship(order: Order, *wanted: LineQuantity) -> Shipment:
    parcel = ship_lines(
        order.pk,
        form_key=uuid4(),
        actor=STAFF,
        lines=wanted,
        carrier="dhl",
        tracking_code="JJD01",
    )
    order.refresh_from_db()
    return parcel


def partly_shipped() -> Order:
    order = confirmed()
    ship(order, LineQuantity(order.lines.get(sku="MUG").pk, 1))
    return order


def shipped(payment_method: str = "pm_card_visa") -> Order:
    order = confirmed(payment_method)
    ship(order)
    return order


def delivered(payment_method: str = "pm_card_visa") -> Order:
    order = shipped(payment_method)
    mark_delivered(order.shipments.get().pk, actor=STAFF)
    order.refresh_from_db()
    return order


def cancelled(order: Order, *, actor: str = SHOPPER) -> Order:
    cancel_order(order.pk, actor=actor, reason="A test.")
    order.refresh_from_db()
    return order


def expired() -> Order:
    order = declined()
    end_hold(order)
    expire_holds()
    order.refresh_from_db()
    return order


def end_hold(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(hold_expires_at=timezone.now() - timedelta(seconds=1))
    order.refresh_from_db()


def refund(order: Order, cents: int) -> None:
    request_refund(
        RequestRefund(
            order.pk, cause=f"form:{uuid4()}", reason="ok", actor=STAFF, amount_cents=cents
        )
    )


def move_refunds(order: Order) -> Order:
    for one in order.refunds.all():
        with lease_on(order) as lease:
            move_refund(order.pk, one.pk, lease)
    order.refresh_from_db()
    return order


def announced(payment_method: str = "pm_card_visa") -> Return:
    """One of the two mugs comes back."""
    order = delivered(payment_method)
    mug = LineQuantity(order.lines.get(sku="MUG").pk, 1)
    return announce_return(
        order.pk, form_key=uuid4(), lines=(mug,), reason="chipped", actor=SHOPPER
    )


def received(coming: Return) -> Order:
    lines = tuple(ReceivedLine(item.line_id, item.quantity, 0) for item in coming.lines.all())
    receive_return(coming.pk, received=lines, refund_cents=None, actor=STAFF)
    return Order.objects.get(pk=coming.order_id)


def visit_bank(order: Order, bank: SandboxServer, *, is_me: bool = True) -> str:
    """The shopper answers on the bank's page; where it sends them then."""
    return bank.authenticate(order.payments.get().redirect_url, is_me=is_me)

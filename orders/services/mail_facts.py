"""What a mail tells, read from the rows that its cause names, so that it is right when it is
written later than what it tells."""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from orders import selectors
from orders.carriers import CARRIERS, tracking_url
from orders.errors import Busy, NotInvoiceable
from orders.letters.facts import (
    MailFacts,
    ParcelFacts,
    PaymentFacts,
    RefundFacts,
    ReturnFacts,
    Units,
)
from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    Refund,
    Return,
    Shipment,
)
from orders.services.invoice import issue_invoice
from orders.services.shop_address import shop_address
from orders.states import UNSETTLED_PAYMENTS, OrderStatus, PaymentStatus, RefundStatus
from tasks.errors import Transient


def mail_facts(notification: Notification) -> MailFacts:
    """Everything the letter may say. For a confirmation the invoice is drawn, unless it was.

    Raises Transient when the invoice's number cannot be had in time, and DoesNotExist of whatever
    its cause names in vain.
    """
    cause = original(notification).cause
    order = Order.objects.prefetch_related("lines", "payments", "refunds").get(
        pk=notification.order_id
    )
    noun, _colon, key = cause.partition(":")
    payments = list(order.payments.all())
    money = selectors.money(order)
    unsettled = [item for item in payments if item.status in UNSETTLED_PAYMENTS and item.asked_at]
    return MailFacts(
        shop_name=settings.SHOP_NAME,
        shop_address=shop_address(),
        name=order.ship_to_name,
        number=order.number,
        status=OrderStatus(order.status),
        currency=order.currency,
        total_cents=order.total_cents,
        units=[_units(line, line.quantity) for line in order.lines.all()],
        street=street(order),
        country=order.ship_to_country,
        hold_expires_at=order.hold_expires_at,
        can_pay=order.hold_expires_at > timezone.now(),
        captured_cents=money.captured_cents,
        back_cents=money.refunded_cents + money.refunding_cents,
        bank_is_silent=bool(unsettled),
        left_units=sum(line.to_ship for line in order.lines.all()),
        order_url=settings.SITE_URL + reverse("shop:order", args=[order.token]),
        invoice_url=_invoice_url(order, notification),
        payment=_payment(payments, int(key) if noun == "payment" else None),
        parcel=_parcel(int(key)) if noun == "shipment" else None,
        refund=_refund(int(key)) if noun == "refund" else None,
        a_return=_return(int(key)) if noun == "return" else None,
    )


def original(notification: Notification) -> Notification:
    """The mail that this one repeats, itself when it repeats none."""
    while notification.cause.startswith("resend:"):
        notification = Notification.objects.get(pk=int(notification.cause.split(":")[1]))
    return notification


def street(order: Order) -> Sequence[str]:
    """The delivery address between name and country."""
    parts = [
        order.ship_to_line1,
        order.ship_to_line2,
        f"{order.ship_to_postcode} {order.ship_to_city}".strip(),
    ]
    return [part for part in parts if part]


def _units(line: OrderLine, quantity: int) -> Units:
    return Units(line.title, quantity, line.unit_price_cents * quantity)


def _payment(payments: Sequence[Payment], pk: int | None) -> PaymentFacts | None:
    """The one that is meant; otherwise the one that took the money, or else the latest."""
    captured = [item for item in payments if item.status == PaymentStatus.CAPTURED]
    chosen = [item for item in payments if item.pk == pk] or captured[:1] or payments[-1:]
    if not chosen:
        return None
    return PaymentFacts(
        card=_card(chosen[0]),
        cents=chosen[0].amount_cents,
        status=PaymentStatus(chosen[0].status),
        decline_code=chosen[0].decline_code,
    )


def _card(payment: Payment) -> str:
    # On one line, as money is.
    return payment.card_label.replace(" ", "\N{NO-BREAK SPACE}")


def _parcel(pk: int) -> ParcelFacts:
    parcel = Shipment.objects.prefetch_related("lines__line").get(pk=pk)
    return ParcelFacts(
        units=[_units(item.line, item.quantity) for item in parcel.lines.all()],
        # 'Another carrier' is a choice of the form and no name.
        carrier="" if parcel.carrier == "other" else CARRIERS.get(parcel.carrier, parcel.carrier),
        tracking_code=parcel.tracking_code,
        tracking_url=tracking_url(parcel.carrier, parcel.tracking_code),
        delivered_at=parcel.delivered_at,
    )


def _refund(pk: int) -> RefundFacts:
    refund = Refund.objects.select_related("payment").prefetch_related("lines__line").get(pk=pk)
    return RefundFacts(
        cents=refund.amount_cents,
        card=_card(refund.payment),
        units=[_units(item.line, item.quantity) for item in refund.lines.all()],
    )


def _return(pk: int) -> ReturnFacts:
    coming = Return.objects.prefetch_related("lines__line").get(pk=pk)
    # One for each payment that the money came by.
    refunds = Refund.objects.filter(cause__startswith=f"return:{pk}:").select_related("payment")
    wanted = [refund for refund in refunds if refund.status != RefundStatus.REFUSED]
    return ReturnFacts(
        announced=_some((item.line, item.quantity) for item in coming.lines.all()),
        received=_some((item.line, item.received) for item in coming.lines.all()),
        refund_cents=sum(refund.amount_cents for refund in wanted) if wanted else None,
        card=_card(wanted[0].payment) if wanted else "",
    )


def _some(lines: Iterable[tuple[OrderLine, int]]) -> Sequence[Units]:
    return [_units(line, quantity) for line, quantity in lines if quantity]


def _invoice_url(order: Order, notification: Notification) -> str:
    if notification.kind != Notification.Kind.ORDER_CONFIRMED:
        return ""
    try:
        issue_invoice(order.pk)
    except NotInvoiceable:
        return ""
    except Busy as busy:
        raise Transient(str(busy)) from busy
    return settings.SITE_URL + reverse("shop:order-invoice", args=[order.token])

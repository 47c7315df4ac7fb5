"""The way of an order in steps, from received to delivered, or to where it ended."""

from orders.models import Shipment
from orders.states import (
    DEDUCTED,
    FulfilmentStatus,
    OrderStatus,
    PaymentStatus,
    ShipmentStatus,
)
from orders.story.facts import Facts
from orders.story.parts import Step


def steps(facts: Facts) -> tuple[Step, ...]:
    received = Step("received", "Received", "We have your order.", "done", facts.order.placed_at)
    match facts.order.status:
        case OrderStatus.CANCELLED:
            return received, _paid(facts), _cancelled(facts)
        case OrderStatus.EXPIRED:
            return received, _paid(facts), _expired()
    until_mailed = received, _paid(facts), _packed(facts), _mail(facts)
    if facts.order.status != OrderStatus.PAID:
        # What comes after the payment is too far away to be of interest.
        return until_mailed
    return *until_mailed, _shipped(facts), _delivered(facts)


def _paid(facts: Facts) -> Step:
    order, payment = facts.order, facts.payment
    if facts.paid_by is not None:
        at = order.paid_at or facts.paid_by.settled_at
        return Step("paid", "Paid", f"Paid with {facts.paid_by.card_label}.", "done", at)
    match payment.status:
        case PaymentStatus.DECLINED | PaymentStatus.CANCELLED:
            why = payment.decline_message or "Nothing was charged."
            return Step("paid", "Not paid", why, "failed", payment.settled_at)
        case PaymentStatus.ACTION_REQUIRED:
            words = f"It asks whether it is you who pays with {payment.card_label}."
            return Step("paid", "Your bank wants to see you", words, "current")
        case PaymentStatus.UNKNOWN:
            words = "The bank has not answered yet; you will not be charged twice."
            return Step("paid", "Waiting for the bank", words, "current")
        case _:
            return Step("paid", "Paying", f"Asking the bank about {payment.card_label}.", "current")


def _packed(facts: Facts) -> Step:
    order = facts.order
    if order.fulfilment in DEDUCTED:
        words = "Your things are set aside."
        return Step("packed", "Packed from stock", words, "done", order.packed_at)
    if order.status == OrderStatus.PAID:
        return Step("packed", "Packed from stock", "Taking your things off the shelf.", "current")
    if order.status == OrderStatus.PAYMENT_FAILED and not facts.held:
        return Step("packed", "Packed from stock", "They are not kept for you any more.", "failed")
    return Step("packed", "Packed from stock", "Kept for you until it is paid.", "waiting")


def _mail(facts: Facts) -> Step:
    order, mail = facts.order, facts.confirmation
    if mail is not None and facts.mailed:
        words = f"A confirmation went to {mail.recipient or 'you'}."
        return Step("mail", "You have mail", words, "done", mail.sent_at)
    if mail is not None and facts.mail_refused:
        words = f"The mailbox {mail.recipient or 'that you gave us'} refused our mail."
        return Step("mail", "Our mail did not reach you", words, "failed")
    if order.status == OrderStatus.PAYMENT_FAILED:
        return Step("mail", "Confirmation", "Comes once the order is paid.", "waiting")
    words = f"A confirmation will go to {order.email}."
    return Step("mail", "Confirmation", words, "current" if mail is not None else "waiting")


def _shipped(facts: Facts) -> Step:
    match facts.order.fulfilment:
        case FulfilmentStatus.PARTLY_SHIPPED:
            left = facts.units_to_ship
            words = "1 thing follows." if left == 1 else f"{left} things follow."
            return Step("shipped", "Partly on its way", words, "current")
        case FulfilmentStatus.SHIPPED | FulfilmentStatus.DELIVERED:
            words = f"In {_parcels(facts.parcels)}."
            return Step("shipped", "Sent", words, "done", facts.parcels[-1].shipped_at)
        case _:
            return Step("shipped", "Sent", "You get a mail with the parcel's number.", "waiting")


def _delivered(facts: Facts) -> Step:
    arrived = [p for p in facts.parcels if p.status == ShipmentStatus.DELIVERED]
    if facts.order.fulfilment == FulfilmentStatus.DELIVERED:
        latest = max(filter(None, (parcel.delivered_at for parcel in arrived)), default=None)
        return Step("delivered", "Arrived", "", "done", latest)
    if arrived:
        words = f"{len(arrived)} of {_parcels(facts.parcels)} so far."
        return Step("delivered", "Partly arrived", words, "current")
    if facts.order.fulfilment == FulfilmentStatus.SHIPPED:
        return Step("delivered", "Arrived", "Under way to you.", "current")
    return Step("delivered", "Arrived", "", "waiting")


def _cancelled(facts: Facts) -> Step:
    at = facts.order.cancelled_at
    return Step("cancelled", "Cancelled", "Nothing of it will be sent.", "failed", at)


def _expired() -> Step:
    words = "It was not paid in time, so your things went back on sale."
    return Step("expired", "Expired", words, "failed")


def _parcels(parcels: tuple[Shipment, ...]) -> str:
    return "1 parcel" if len(parcels) == 1 else f"{len(parcels)} parcels"

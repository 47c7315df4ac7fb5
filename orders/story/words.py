"""The headline of an order's page, and the sentences below it: what happens next."""

from orders.services.cancellation import may_cancel
from orders.services.returns import may_return
from orders.states import FulfilmentStatus, OrderStatus, PaymentStatus
from orders.story.facts import Facts
from orders.story.money_words import money_back

_BY_FULFILMENT = {
    FulfilmentStatus.UNFULFILLED: "Paid. We are packing your things.",
    FulfilmentStatus.PACKED: "Paid and packed. Your confirmation is on its way.",
    FulfilmentStatus.PARTLY_SHIPPED: "A part of your order is on its way.",
    FulfilmentStatus.SHIPPED: "Your order is on its way.",
    FulfilmentStatus.DELIVERED: "Your order has arrived.",
}


def headline(facts: Facts) -> str:
    order = facts.order
    match order.status:
        case OrderStatus.CANCELLED:
            return "This order is cancelled."
        case OrderStatus.EXPIRED if facts.paid_by is not None:
            return "Your money came too late. All of it goes back."
        case OrderStatus.EXPIRED:
            return "This order was not paid in time. Nothing was charged."
        case OrderStatus.PAYMENT_FAILED:
            return _unpaid_headline(facts)
        case OrderStatus.PAID:
            fulfilment = FulfilmentStatus(order.fulfilment)
            if fulfilment == FulfilmentStatus.PACKED and facts.mailed:
                return "Thank you. You have mail."
            if fulfilment == FulfilmentStatus.PACKED and facts.mail_refused:
                return "Paid and packed. But our mail did not reach you."
            return _BY_FULFILMENT[fulfilment]
    return _paying_headline(facts)


def _unpaid_headline(facts: Facts) -> str:
    if not facts.held:
        return "This order was not paid in time. Nothing was charged."
    if facts.payment.status == PaymentStatus.CANCELLED:
        return "The payment was called off. Nothing was charged; your things are kept for a while."
    return "The card was declined. Nothing was charged; your things are kept for a while."


def _paying_headline(facts: Facts) -> str:
    match facts.payment.status:
        case PaymentStatus.ACTION_REQUIRED:
            return "Your bank wants to see you before it pays."
        case PaymentStatus.UNKNOWN:
            return "The bank has not answered yet; you will not be charged twice."
        case _:
            return "Thank you. We have your order and are asking the bank."


def lead(facts: Facts) -> str:
    match facts.order.status:
        case OrderStatus.CANCELLED:
            return money_back(facts)
        case OrderStatus.EXPIRED:
            return _expired(facts)
        case OrderStatus.PAYMENT_FAILED:
            return _unpaid(facts)
        case OrderStatus.PAID:
            return " ".join(filter(None, (_late(facts), _paid(facts), _overpaid(facts))))
    return _paying(facts)


def _paying(facts: Facts) -> str:
    match facts.payment.status:
        case PaymentStatus.ACTION_REQUIRED:
            return (
                "Nothing has been charged so far. Confirm the payment on your bank’s page; from "
                "there you come back here."
            )
        case PaymentStatus.UNKNOWN:
            return (
                "We ask it again until it answers, always about this one payment. Your things are "
                f"kept for you, and we write to {facts.order.email} when we know."
            )
        case _:
            return (
                "This takes a few seconds. You may close the page: we write to "
                f"{facts.order.email} either way."
            )


def _unpaid(facts: Facts) -> str:
    if not facts.held:
        return "Your things go back on sale. If you still want them, please order again."
    return facts.payment.decline_message or "You can pay with another card."


def _expired(facts: Facts) -> str:
    if facts.paid_by is not None:
        return f"By then your things were sold to others. {money_back(facts)}"
    again = "Your things went back on sale. If you still want them, please order again."
    if facts.money_may_come:
        return (
            f"{again} Should your bank take the money after all, we send the things if they are "
            "still there; otherwise all of it goes back by itself."
        )
    return again


def _paid(facts: Facts) -> str:
    match FulfilmentStatus(facts.order.fulfilment):
        case FulfilmentStatus.UNFULFILLED | FulfilmentStatus.PACKED:
            until = " Until then you can cancel it." if may_cancel(facts.order) else ""
            if facts.mail_refused:
                return f"Keep the address of this page: it tells you when it leaves us.{until}"
            return f"We write to {facts.order.email} when it leaves us.{until}"
        case FulfilmentStatus.PARTLY_SHIPPED:
            return "The rest follows in another parcel. Nothing else has to be paid."
        case FulfilmentStatus.SHIPPED:
            return "Below is where the parcel can be followed."
        case FulfilmentStatus.DELIVERED:
            wrong = "If something is wrong with it, you can send it back."
            return wrong if may_return(facts.order) else ""


def _late(facts: Facts) -> str:
    late = "Your payment came late, but your things were still there: the order goes on as usual."
    return late if facts.revived else ""


def _overpaid(facts: Facts) -> str:
    cents = facts.money.overpaid_cents
    if not cents:
        return ""
    return f"Your bank has sent {facts.shown(cents)} too much. We have seen it and send it back."

"""Parcels, refunds and returns of an order, each in words for its shopper."""

from collections.abc import Iterable

from orders.carriers import CARRIERS, tracking_url
from orders.models import OrderLine, Refund, RefundLine, Return, ReturnLine, Shipment, ShipmentLine
from orders.states import OrderStatus, RefundStatus, ReturnStatus, ShipmentStatus
from orders.story.facts import Facts
from orders.story.money_words import BANK_DAYS
from orders.story.parts import Item, MoneyBack, Parcel, StepState, WayBack


def items(facts: Facts) -> tuple[Item, ...]:
    told = facts.order.status == OrderStatus.PAID
    return tuple(
        Item(
            sku=line.sku,
            title=line.title,
            quantity=line.quantity,
            unit_price_cents=line.unit_price_cents,
            total_cents=line.total_cents,
            told=_became_of(line) if told else "",
        )
        for line in facts.lines
    )


def parcels(facts: Facts) -> tuple[Parcel, ...]:
    count = len(facts.parcels)
    # While something follows, nobody knows in how many parcels.
    of_all = "" if facts.units_to_ship else f" of {count}"
    return tuple(
        _parcel(parcel, "All in one parcel" if of_all == " of 1" else f"Parcel {number}{of_all}")
        for number, parcel in enumerate(facts.parcels, start=1)
    )


def refunds(facts: Facts) -> tuple[MoneyBack, ...]:
    return tuple(_refund(facts, refund) for refund in facts.refunds)


def returns(facts: Facts) -> tuple[WayBack, ...]:
    return tuple(_return(one) for one in facts.returns)


def _became_of(line: OrderLine) -> str:
    told = []
    if line.shipped and line.to_ship:
        told.append(f"{line.shipped} sent, {line.to_ship} to follow")
    if line.withdrawn:
        told.append(f"{line.withdrawn} not sent")
    if line.returned:
        told.append(f"{line.returned} came back")
    if line.refunded:
        told.append(f"money back for {line.refunded}")
    return ", ".join(told)


def _parcel(parcel: Shipment, title: str) -> Parcel:
    delivered = parcel.status == ShipmentStatus.DELIVERED
    # A carrier without a name of its own is not worth a word.
    carrier = CARRIERS.get(parcel.carrier, "") if parcel.carrier != "other" else ""
    return Parcel(
        title=title,
        detail=f"Carried by {carrier}." if carrier else "",
        contents=_contents(parcel.lines.all()),
        carrier=carrier,
        tracking_code=parcel.tracking_code,
        tracking_url=tracking_url(parcel.carrier, parcel.tracking_code),
        delivered=delivered,
        at=parcel.delivered_at if delivered and parcel.delivered_at else parcel.shipped_at,
    )


def _refund(facts: Facts, refund: Refund) -> MoneyBack:
    title, detail, state = _refund_words(facts, refund)
    return MoneyBack(
        amount_cents=refund.amount_cents,
        title=title,
        detail=detail,
        contents=_contents(refund.lines.all()),
        state=state,
        at=refund.settled_at or refund.created_at,
    )


def _refund_words(facts: Facts, refund: Refund) -> tuple[str, str, StepState]:
    # Not refund.payment: that would be read from the database.
    card = facts.payments[refund.payment_id].card_label
    match refund.status:
        case RefundStatus.MOVED:
            return "Sent back", f"It went to {card}. {BANK_DAYS}", "done"
        case RefundStatus.REFUSED:
            words = f"The bank did not put it on {card}. The money is not lost. {facts.another_way}"
            return "Refused by the bank", words, "failed"
        case RefundStatus.UNKNOWN if refund.gateway_reference:
            return "On its way", f"The bank is moving it to {card}.", "current"
        case RefundStatus.UNKNOWN:
            words = (
                "The bank has not confirmed it yet. We ask again until it does; you get it once."
            )
            return "On its way", words, "current"
        case _:
            return "Requested", f"We are asking the bank to send it to {card}.", "current"


def _return(one: Return) -> WayBack:
    title, detail = _return_words(one)
    return WayBack(
        return_id=one.pk,
        title=title,
        detail=detail,
        contents=_contents(one.lines.all()),
        awaited=one.status == ReturnStatus.ANNOUNCED,
        received=one.status == ReturnStatus.RECEIVED,
        at=one.received_at or one.announced_at,
    )


def _return_words(one: Return) -> tuple[str, str]:
    match one.status:
        case ReturnStatus.RECEIVED:
            sent = sum(item.quantity for item in one.lines.all())
            came = sum(item.received for item in one.lines.all())
            short = "" if came == sent else f" {came} of the {sent} things came."
            money = "" if one.refund_id else " No money goes back for it."
            return "Arrived", f"Your parcel is here.{short}{money}"
        case ReturnStatus.WITHDRAWN:
            return "Called off", "You keep the things."
        case ReturnStatus.LAPSED:
            words = "It never reached us. If you did send it, we take it when it turns up."
            return "Did not arrive", words
        case _:
            return "Announced", "We send the money back when your parcel is here."


def _contents(items: Iterable[ShipmentLine | RefundLine | ReturnLine]) -> tuple[str, ...]:
    return tuple(f"{item.quantity} × {item.line.title}" for item in items)

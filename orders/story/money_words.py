"""What becomes of the money of an order that is cancelled or expired, or is about to be."""

from orders.states import RefundStatus
from orders.story.facts import Facts

BANK_DAYS = "Banks take up to ten days to show it."


def money_back(facts: Facts) -> str:
    """What went back and what did not, in sentences. Pure."""
    money = facts.money
    told = []
    if money.refunded_cents:
        told.append(
            f"{facts.shown(money.refunded_cents)} went back to {facts.card_label}. {BANK_DAYS}"
        )
    if money.refunding_cents:
        told.append(f"{facts.shown(money.refunding_cents)} is going back to {facts.card_label}.")
    if kept := money.captured_cents - money.refunded_cents - money.refunding_cents:
        told.append(_kept(facts, kept))
    if facts.money_may_come:
        told.append(
            "The bank has not told us yet whether it took money. If it did, all of it goes back "
            "by itself."
        )
    return " ".join(told) or "Nothing was charged."


def _kept(facts: Facts, cents: int) -> str:
    if any(refund.status == RefundStatus.REFUSED for refund in facts.refunds):
        refused = f"{facts.shown(cents)} could not be sent back: the bank refused it."
        return f"{refused} {facts.another_way}"
    return f"{facts.shown(cents)} was not sent back."


def promise(facts: Facts) -> str:
    """What happens to the money when the shopper cancels now. Pure."""
    left = facts.money.captured_cents - facts.money.refunded_cents - facts.money.refunding_cents
    if left:
        return f"We send {facts.shown(left)} back to {facts.card_label}. {BANK_DAYS}"
    if facts.money_may_come:
        return (
            f"We have asked the bank for {facts.shown(facts.payment.amount_cents)} already. If it "
            "takes the money all the same, all of it goes back to your card by itself."
        )
    return "Nothing was charged, and nothing will be."

"""Every kind of difference that the audit knows: what it means, and the way to mend it. Pure.

The table is closed: a rule can only report a kind that stands here. ``docs/proof.md`` shows it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

OVERSOLD, DOUBLE_CHARGED, LOST = "oversold", "double_charged", "lost"
TOLD = "told"
"""Not a broken promise: somebody outside said no, it is written down, and a person must decide."""

_LOOK = "Look at the order's timeline and at the dead letters. "


@dataclass(frozen=True, slots=True)
class FaultKind:
    """``promise`` is the one that it breaks (or TOLD), ``rule`` the sentence that holds without it.

    ``counted`` names the things that the rule looks at. ``repairable``: ``manage.py audit
    --repair`` can mend it without a judgement of its own.
    """

    code: str
    promise: str
    counted: str
    rule: str
    title: str
    consequence: str
    mend: str
    repairable: bool = False


_KINDS = (
    # -- the shelf --------------------------------------------------------------------------------
    FaultKind(
        "sold_more_than_received",
        OVERSOLD,
        "skus",
        "No SKU was sold more often than it was received",
        "More was sold than was there",
        "Somebody has paid for a unit that does not exist.",
        "Count the shelf. Receive or correct the stock with the reason, or cancel the youngest "
        "orders of this SKU, which refunds them.",
    ),
    FaultKind(
        "ledger_differs",
        OVERSOLD,
        "skus",
        "On hand is the sum of the ledger",
        "On hand is not what the ledger says",
        "Too much or too little of this SKU is offered for sale.",
        "Count the shelf. The ledger has a movement too few or too many: correct the stock by what "
        "was counted, with the reason.",
    ),
    FaultKind(
        "held_differs",
        OVERSOLD,
        "skus",
        "Held is the sum of the open holds",
        "Held is not what the holds say",
        "Units are kept for nobody, or are offered although they are kept.",
        "The holds are the truth: --repair counts them again while nobody can change them.",
        repairable=True,
    ),
    FaultKind(
        "hold_left_open",
        OVERSOLD,
        "orders",
        "Only an order that waits to be packed holds units",
        "A hold outlived its order's need",
        "Units are kept from sale although nobody waits for them.",
        _LOOK + "Release the hold by hand together with the SKU's held units.",
    ),
    FaultKind(
        "hold_missing",
        OVERSOLD,
        "orders",
        "Every order that waits to be packed holds its units",
        "An order waits without holding its units",
        "Its units may be sold to somebody else; it cannot be packed.",
        _LOOK + "Cancel the order, or hold its units by hand together with the SKU's held units.",
    ),
    FaultKind(
        "not_deducted",
        OVERSOLD,
        "lines",
        "Every packed line was deducted once",
        "A packed line has no deduction in the ledger",
        "The unit left the shelf, and the books still offer it.",
        "Find out whether the unit is on the shelf. If it is gone, correct the stock by it with "
        "the order's number as the reason.",
    ),
    FaultKind(
        "deducted_unpacked",
        OVERSOLD,
        "lines",
        "Every deduction is a packed line's",
        "Units were deducted for an order that was not packed",
        "The books miss a unit that lies on the shelf.",
        _LOOK + "Correct the stock by the units that lie there, with the order's number.",
    ),
    FaultKind(
        "units_differ",
        OVERSOLD,
        "lines",
        "What left the shelf and did not come back is what the shopper has or will get",
        "The ledger and the line do not agree about the units",
        "A unit that was withdrawn or returned is missing in the ledger, or came back twice.",
        "Compare the line with the movements that name it; correct the stock by the difference, "
        "with the order's number as the reason.",
    ),
    FaultKind(
        "line_counts_differ",
        LOST,
        "lines",
        "Each line counts what its parcels, returns and refunds say",
        "A line's counts are not those of its parcels, returns or refunds",
        "Too many or too few units can be shipped, returned or refunded.",
        _LOOK + "Set the line's count to the sum of its parcels, returns or refunds by hand.",
    ),
    FaultKind(
        "fulfilment_differs",
        LOST,
        "orders",
        "Each order's fulfilment follows from its parcels",
        "An order's fulfilment is not what its parcels say",
        "The order desk offers the wrong actions; the shopper reads the wrong thing.",
        _LOOK + "Set the fulfilment by hand to what the parcels say.",
    ),
    # -- money ------------------------------------------------------------------------------------
    FaultKind(
        "charged_twice",
        DOUBLE_CHARGED,
        "orders",
        "The provider keeps no more of an order than its total",
        "More was charged than the order costs",
        "The shopper has paid too much.",
        "Open the order and refund what was paid too much ('Refund overpayment'; in bulk from the "
        "list of orders).",
    ),
    FaultKind(
        "amount_differs",
        DOUBLE_CHARGED,
        "captures",
        "The provider charged what was agreed",
        "Another amount was charged than was agreed",
        "The shopper paid a price that they did not see.",
        "Compare the charge at the provider with the order. Refund what was too much; what was "
        "too little is the shop's loss.",
    ),
    FaultKind(
        "charge_not_written",
        LOST,
        "captures",
        "No charge at the provider is taken here for refused or cancelled",
        "The provider charged a payment that counts as refused here",
        "The shopper has paid and was told that they have not.",
        "--repair lets the worker read the provider's books and write the money down: the order "
        "is revived if there are units, otherwise the money goes back by itself.",
        repairable=True,
    ),
    FaultKind(
        "charge_unknown",
        LOST,
        "captures",
        "Every charge at the provider is a captured payment here",
        "A charge at the provider belongs to no payment here",
        "Somebody paid, and no order knows it.",
        "Find the charge in the provider's dashboard by its reference. If nobody can say what it "
        "is for, refund it there.",
    ),
    FaultKind(
        "capture_missing",
        LOST,
        "payments",
        "Every captured payment is a charge at the provider",
        "The provider does not know a captured payment",
        "Goods were given for money that never came.",
        "Check that the shop's key is of the right account, then look for the payment there by "
        "order number. If it is not there, ask the shopper to pay or cancel the order.",
    ),
    FaultKind(
        "refund_unknown",
        LOST,
        "refunds_there",
        "Every refund at the provider is a refund here",
        "A refund at the provider belongs to no refund here",
        "Money left the shop without an entry; the same refund may be made again.",
        "Somebody refunded in the provider's dashboard, or the shop lost its row. Compare with the "
        "order; do not refund it again here.",
    ),
    FaultKind(
        "refund_not_written",
        LOST,
        "refunds_there",
        "No refund at the provider is taken here for refused",
        "The provider moved a refund that counts as refused here",
        "The shopper has the money back, and the shop may send it again.",
        "Do not refund it again. Look at the refund in the provider's dashboard: if it stands "
        "there as succeeded, note it on the order.",
    ),
    FaultKind(
        "refund_missing",
        LOST,
        "refunds",
        "Every refund that was sent is a refund at the provider",
        "The provider does not know a refund that counts as sent",
        "The shopper was told that money is on its way, and it is not.",
        "Look for it in the provider's dashboard by order number. If it failed there, refund again "
        "from the order's page once the reservation is free.",
    ),
    FaultKind(
        "refund_amount_differs",
        DOUBLE_CHARGED,
        "refunds",
        "The provider sent back what was refunded",
        "Another amount was sent back than was refunded",
        "The shopper got back too much or too little.",
        "Compare the refund at the provider with the order. Refund what is missing from the "
        "order's page.",
    ),
    FaultKind(
        "refunded_beyond_capture",
        DOUBLE_CHARGED,
        "captures",
        "No charge was refunded by more than it took",
        "More went back than had come",
        "The shop lost the difference.",
        "Talk to the provider with the reference of the charge.",
    ),
    FaultKind(
        "reservation_differs",
        DOUBLE_CHARGED,
        "payments",
        "What a payment reserves is the sum of its refunds",
        "A payment's reservation is not the sum of its refunds",
        "More could be refunded than came, or what is left cannot be refunded.",
        _LOOK + "Set the reservation by hand to the sum of its open and moved refunds.",
    ),
    FaultKind(
        "paid_without_money",
        LOST,
        "orders",
        "Every paid order's total was captured",
        "An order counts as paid without its money",
        "Goods are given away.",
        _LOOK + "Ship nothing before you know the payment at the provider.",
    ),
    FaultKind(
        "money_without_order",
        LOST,
        "orders",
        "Every order whose money came is paid, or gives it back",
        "Money was taken for an order that is not paid",
        "The shopper has paid and gets nothing.",
        "Open the order and refund it; the reason is on its timeline.",
    ),
    FaultKind(
        "money_kept",
        TOLD,
        "orders",
        "No cancelled order keeps a part of its money",
        "A cancelled order keeps a part of its money",
        "Right, if it was agreed with the shopper; else they have lost it.",
        "The order's timeline says who refunded the part, and why. Refund the rest from its page "
        "if nothing else was agreed.",
    ),
    FaultKind(
        "refund_refused",
        TOLD,
        "refunds",
        "No bank refused to take money back",
        "The bank refused a refund",
        "The shopper waits for money that cannot go back to this card.",
        "Ask the shopper for another way to send the money, or refund again from the order's page.",
    ),
    # -- standing still ---------------------------------------------------------------------------
    FaultKind(
        "order_stuck",
        LOST,
        "orders",
        "No order stands still",
        "An order stands still",
        "The shopper waits, and nothing happens by itself.",
        "Redrive its dead letter if it has one. Otherwise --repair sends its next step again; "
        "doing a step twice is harmless.",
        repairable=True,
    ),
    FaultKind(
        "payment_stuck",
        LOST,
        "payments",
        "No payment stays open that its order does not wait for",
        "A payment is open that its order does not wait for",
        "Its money may yet move.",
        "--repair lets the worker ask the provider and close it.",
        repairable=True,
    ),
    FaultKind(
        "refund_stuck",
        LOST,
        "refunds",
        "No refund stands still",
        "A refund stands still",
        "The shopper waits for money.",
        "Redrive its dead letter if it has one. Otherwise --repair sends it again under the same "
        "key, so that it is moved once.",
        repairable=True,
    ),
    FaultKind(
        "return_stuck",
        LOST,
        "returns",
        "No return is awaited for ever",
        "A return is awaited longer than the shop waits",
        "Its units can be announced by nobody else.",
        "The sweep 'orders.lapse_returns' closes it: see that beat and the workers run. If the "
        "parcel is here, receive it.",
    ),
    # -- mails ------------------------------------------------------------------------------------
    FaultKind(
        "mail_missing",
        LOST,
        "mails_due",
        "Every step that a shopper must hear of has its mail",
        "A mail was never written",
        "The shopper was not told.",
        "--repair writes the mail; the same cause is never mailed twice.",
        repairable=True,
    ),
    FaultKind(
        "mail_stuck",
        LOST,
        "mails",
        "No mail stands still",
        "A mail was not sent",
        "The shopper was not told yet.",
        "Redrive its dead letter if it has one. Otherwise --repair sends it again.",
        repairable=True,
    ),
    FaultKind(
        "mail_refused",
        TOLD,
        "mails",
        "No mail server refused a mail",
        "The mail server refused a mail",
        "The shopper was not told: the address does not take mail.",
        "Find another way to reach the shopper, correct the address, send the mail again from the "
        "order's page.",
    ),
)

FAULTS = {kind.code: kind for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. ``subject`` is the order's number or the SKU, ``detail`` what was found.

    ``order_id`` is None for a SKU and for money that belongs to no order. ``target_id`` is the row
    that it is about (payment, refund, mail, line), where there is one. A mail that was never
    written has its kind and cause instead.
    """

    code: str
    subject: str
    detail: str
    order_id: int | None = None
    target_id: int | None = None
    mail_kind: str = ""
    mail_cause: str = ""

    @property
    def kind(self) -> FaultKind:
        return FAULTS[self.code]

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` is the promise that a breach of this rule breaks; ``checked``: how many things it
    looked at."""

    kind: str
    title: str
    breaches: tuple[str, ...]
    checked: int
    code: str = ""


def rules(differences: Iterable[Difference], checked: dict[str, int]) -> tuple[Rule, ...]:
    """A rule for every kind of the table, with what broke it."""
    found: dict[str, list[str]] = {code: [] for code in FAULTS}
    for difference in differences:
        found[difference.code].append(str(difference))
    return tuple(
        Rule(kind.promise, kind.rule, tuple(found[code]), checked.get(kind.counted, 0), code)
        for code, kind in FAULTS.items()
    )

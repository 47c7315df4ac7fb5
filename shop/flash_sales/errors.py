"""What can go wrong with a ticket or a sale, as facts that a page can explain."""

from shop.flash_sales.states import IdentityKind


class SaleError(Exception):
    """Root of the tree. Its message may be shown to a shopper."""


class NoUnitLeft(SaleError):
    """The database has no free unit for this grant, whatever the gate said."""


class GrantUsed(SaleError):
    """This grant was written down before, or was given back."""


_WHO = {
    IdentityKind.PERSON: "You have",
    IdentityKind.MAIL: "This e-mail address has",
    IdentityKind.ADDRESS: "This postal address has",
    IdentityKind.CARD: "This card has",
}


class LimitReached(SaleError):
    """Somebody with this address, card or account has as many units as the sale allows."""

    def __init__(self, kind: IdentityKind, limit: int) -> None:
        self.kind = kind
        units = "one unit" if limit == 1 else f"{limit} units"
        super().__init__(f"{_WHO[kind]} the {units} of this sale that one person may have.")


class TicketOver(SaleError):
    """The ticket does not hold its unit any more."""


class NotAllowed(SaleError):
    """The sale's state does not allow it. Nothing was changed."""


class RehearsalUnderWay(SaleError):
    """One rehearsal at a time: this one waits or runs. Nothing was asked for."""

    def __init__(self, rehearsal_id: int) -> None:
        self.rehearsal_id = rehearsal_id
        super().__init__("One rehearsal runs at a time, and this one is under way.")

"""What can go wrong with a ticket, as facts that a page can explain."""


class SaleError(Exception):
    """Root of the tree. Its message may be shown to a shopper."""


class NoUnitLeft(SaleError):
    """The database has no free unit for this grant, whatever the gate said."""


class GrantUsed(SaleError):
    """This grant was written down before, or was given back."""


class LimitReached(SaleError):
    """Somebody with this address, card or account has as many units as the sale allows."""


class TicketOver(SaleError):
    """The ticket does not hold its unit any more."""


class NotAllowed(SaleError):
    """The sale's state does not allow it. Nothing was changed."""

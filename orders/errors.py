"""What can go wrong with an order, as facts that a page can explain to a shopper."""

from dataclasses import dataclass


class OrderError(Exception):
    """Root of the tree. Its message may be shown to a shopper."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """One SKU of which fewer units are left than were asked for."""

    sku: str
    title: str
    requested: int
    available: int


class OutOfStock(OrderError):
    """At least one line asks for more than is left. Nothing was held, nothing was charged."""

    def __init__(self, shortages: tuple[Shortage, ...]) -> None:
        self.shortages = shortages
        super().__init__(
            "; ".join(
                f"{item.title}: you asked for {item.requested}, {item.available} left"
                for item in shortages
            )
        )


class EmptyOrder(OrderError):
    """An order without lines, or with a quantity that is not positive."""


class UnknownSku(OrderError):
    """The SKU has never been in stock here."""


class UnknownCard(OrderError):
    """The card number is not one that this shop can turn into a payment method."""


class NotPayable(OrderError):
    """The order is not waiting for a card: it is paid, being paid, or its stock hold has ended."""


class NotCancellable(OrderError):
    """The order cannot be cancelled (any more). Nothing was changed."""


class NotRefundable(OrderError):
    """More was asked for than can be given back, or nothing was taken. Nothing was changed."""


class NotShippable(OrderError):
    """The units are not there to be shipped. Nothing was changed."""


class NotReturnable(OrderError):
    """The units cannot come back in this way. Nothing was changed."""


class NotCorrectable(OrderError):
    """The shelf cannot be changed in this way. Nothing was changed."""


class Busy(OrderError):
    """The database could not be had in time. Nothing was changed; the request may be sent again."""


class NotInvoiceable(OrderError):
    """No invoice is due: the order is not packed yet, or it was called off before it was."""


class PaperUnavailable(OrderError):
    """The PDF could not be made here and now. The same paper as a page can be printed."""


class NotMailable(OrderError):
    """The mail may not be sent again: its order's personal data was erased."""

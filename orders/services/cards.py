"""Card numbers become payment-method tokens here, and only test numbers do.

In a live shop the provider's script turns the number into a token inside the shopper's browser, so
that it never reaches the server. This shop's form takes the published test numbers, which are
nobody's cards; ``orders.checks`` refuses to start it with a live key. A number is neither logged
nor stored, and never repeated in a message.
"""

from dataclasses import dataclass, field

from django.conf import settings

from orders.errors import UnknownCard

_SEPARATORS = str.maketrans("", "", " -\u00a0\u2007\u202f\u2009\u2010\u2011\u2012\u2013")


@dataclass(frozen=True, slots=True)
class Card:
    """What may be kept of a card: the provider's token, the brand and the last four digits.

    ``fingerprint`` is the provider's name for the number behind the token, the same for each token
    of it. Empty for a test number, which is everybody's and tells nothing about a person.
    """

    payment_method: str
    brand: str
    last4: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class TestCard:
    """A number that is nobody's, and in plain words what it does."""

    __test__ = False  # pytest must not take the name for a test class

    number: str = field(repr=False)
    card: Card
    outcome: str


def _test_card(number: str, payment_method: str, brand: str, outcome: str) -> TestCard:
    return TestCard(number, Card(payment_method, brand, number[-4:]), outcome)


# The provider's published test numbers and its names for them.
_PUBLISHED = (
    _test_card("4242 4242 4242 4242", "pm_card_visa", "visa", "Pays at once."),
    _test_card("5555 5555 5555 4444", "pm_card_mastercard", "mastercard", "Pays at once."),
    _test_card(
        "4000 0000 0000 0002", "pm_card_visa_chargeDeclined", "visa", "The bank declines it."
    ),
    _test_card(
        "4000 0000 0000 9995",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "visa",
        "Declined: not enough money on it.",
    ),
    _test_card(
        "4000 0000 0000 0069",
        "pm_card_chargeDeclinedExpiredCard",
        "visa",
        "Declined: it has expired.",
    ),
    _test_card(
        "4000 0000 0000 0127",
        "pm_card_chargeDeclinedIncorrectCvc",
        "visa",
        "Declined: wrong security code.",
    ),
    _test_card(
        "4000 0000 0000 0119",
        "pm_card_chargeDeclinedProcessingError",
        "visa",
        "Declined: the bank could not handle it.",
    ),
    _test_card(
        "4000 0027 6000 3184",
        "pm_card_authenticationRequired",
        "visa",
        "The bank asks you first whether it is you, then pays.",
    ),
    _test_card(
        "4000 0082 6000 3178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "visa",
        "The bank asks you first whether it is you, then finds not enough money.",
    ),
)
# Our own, for the sandbox: 9999 is no issuer's range (ISO/IEC 7812: a leading 9 is followed by the
# number of a country, and ISO 3166 gives 999 to none).
_SANDBOX = (
    _test_card("9999 0000 0000 0012", "pm_sandbox_slow", "sandbox", "Pays after a few seconds."),
    _test_card(
        "9999 0000 0000 0020",
        "pm_sandbox_timeout_before",
        "sandbox",
        "The bank does not answer and takes nothing; asked again, it pays.",
    ),
    _test_card(
        "9999 0000 0000 0038",
        "pm_sandbox_timeout_after",
        "sandbox",
        "The bank takes the money and does not say so; asked again, it does.",
    ),
    _test_card(
        "9999 0000 0000 0046",
        "pm_sandbox_rate_limited",
        "sandbox",
        "The bank is too busy twice, then pays.",
    ),
    _test_card(
        "9999 0000 0000 0053",
        "pm_sandbox_error_500",
        "sandbox",
        "The bank fails once before it takes the money, then pays.",
    ),
    _test_card(
        "9999 0000 0000 0061",
        "pm_sandbox_error_500_after",
        "sandbox",
        "The bank fails once after it took the money, then says so.",
    ),
    _test_card(
        "9999 0000 0000 0079",
        "pm_sandbox_drop",
        "sandbox",
        "The bank takes the money and hangs up; asked again, it says so.",
    ),
    _test_card(
        "9999 0000 0000 0095",
        "pm_sandbox_refund_timeout_before",
        "sandbox",
        "Pays. Refunded, the bank does not answer and gives nothing back; asked again, it does.",
    ),
    _test_card(
        "9999 0000 0000 0103",
        "pm_sandbox_refund_timeout_after",
        "sandbox",
        "Pays. Refunded, the bank gives the money back and does not say so; asked again, it does.",
    ),
    _test_card(
        "9999 0000 0000 0111",
        "pm_sandbox_refund_error_500_after",
        "sandbox",
        "Pays. Refunded, the bank fails once after it gave the money back.",
    ),
    _test_card(
        "9999 0000 0000 0129",
        "pm_sandbox_refund_refused",
        "sandbox",
        "Pays. The bank refuses to give anything back.",
    ),
    _test_card(
        "9999 0000 0000 0137",
        "pm_sandbox_refund_pending",
        "sandbox",
        "Pays. A refund takes a few seconds to move.",
    ),
    _test_card(
        "9999 0000 0000 0145",
        "pm_sandbox_refund_fails",
        "sandbox",
        "Pays. A refund is accepted and fails a few seconds later.",
    ),
    _test_card(
        "9999 0000 0000 0152",
        "pm_sandbox_void_timeout",
        "sandbox",
        "The bank asks you first; when the shop cancels instead, the bank does not say so at once.",
    ),
)


def test_cards() -> tuple[TestCard, ...]:
    """The cards that work here. The sandbox's own only where STRIPE_API_BASE points at one: the
    real provider does not know them."""
    return _PUBLISHED + _SANDBOX if settings.STRIPE_API_BASE else _PUBLISHED


test_cards.__test__ = False  # type: ignore[attr-defined]  # see TestCard


def tokenize(number: str) -> Card:
    """The card behind a test number; blanks and dashes between its digits do not count.

    Raises UnknownCard, with a message fit for the form's field, when the number is not one of
    ``test_cards()``.
    """
    digits = number.translate(_SEPARATORS)
    if not digits:
        raise UnknownCard("The card number is missing. Please enter one of the cards listed.")
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19):
        raise UnknownCard(
            "This is not a card number: it has 12 to 19 digits. Please check it digit by digit."
        )
    if not _luhn_valid(digits):
        raise UnknownCard("This card number has a typo. Please check it digit by digit.")
    for test_card in test_cards():
        if test_card.number.translate(_SEPARATORS) == digits:
            return test_card.card
    raise UnknownCard(
        "This is a test shop that takes no real cards. Please use one of the cards listed."
    )


def _luhn_valid(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: from the right, every second digit doubled, cross sums added."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0

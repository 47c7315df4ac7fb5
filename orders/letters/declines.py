"""Why a bank said no, in plain words."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

_REASONS = {
    "insufficient_funds": gettext_noop("There is not enough money on it."),
    "expired_card": gettext_noop("It has expired."),
    "incorrect_cvc": gettext_noop("The security code was wrong."),
    "invalid_cvc": gettext_noop("The security code was wrong."),
    "incorrect_number": gettext_noop("The card number was wrong."),
    "invalid_number": gettext_noop("The card number was wrong."),
    "processing_error": gettext_noop("The bank had a problem of its own."),
    "authentication_required": gettext_noop("The bank could not make sure that it was you."),
    "payment_intent_authentication_failure": gettext_noop(
        "The bank could not make sure that it was you."
    ),
    "lost_card": gettext_noop("The bank gave no reason. It can tell you more."),
    "stolen_card": gettext_noop("The bank gave no reason. It can tell you more."),
    "card_velocity_exceeded": gettext_noop("The card has reached its limit."),
    "withdrawal_count_limit_exceeded": gettext_noop("The card has reached its limit."),
    "currency_not_supported": gettext_noop("The card does not pay in this currency."),
    "card_not_supported": gettext_noop("The card is not meant for such a payment."),
}
_UNSAID = gettext_noop("The bank gave no reason. It can tell you more.")


def reason(code: str) -> str:
    """A sentence for the provider's decline code; a harmless one for a code that is new to us.

    A card that was reported lost or stolen is not called so: the mail may reach the thief.
    """
    return _(_REASONS.get(code, _UNSAID))

"""The provider's reasons for a refusal, in plain words for the shopper."""

_GENERIC = "Your bank declined this card. Please use another card or ask your bank."
_DECLINE_MESSAGES = {
    "card_declined": _GENERIC,
    "insufficient_funds": "There is not enough money on this card. Please use another card.",
    "expired_card": "This card has expired. Please use another card.",
    "incorrect_cvc": "The security code does not match this card. Please check it or use another.",
    "incorrect_number": "The card number is not right. Please check it or use another card.",
    "processing_error": "The bank could not handle this card just now. "
    "Please try again in a few minutes or use another card.",
    "authentication_required": "Your bank wants to check with you that it is really you, in a way "
    "that this shop cannot show. Please use another card; this one was not charged.",
    "payment_intent_authentication_failure": "Your bank could not make sure that it was you, so "
    "this card was not charged. Please try again or use another card.",
    "canceled": "This payment was cancelled before any money moved. Please use another card.",
    "card_velocity_exceeded": "This card has reached its limit for now. Please use another card.",
    "currency_not_supported": "This card cannot pay in our currency. Please use another card.",
}


def decline_message(code: str) -> str:
    """What to tell a shopper about a refusal with the provider's ``code``."""
    return _DECLINE_MESSAGES.get(code, _GENERIC)

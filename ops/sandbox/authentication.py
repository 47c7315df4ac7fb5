"""The bank's own check (3-D Secure): a page on which a shopper says whether it is them."""

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from ops.sandbox import capturing
from ops.sandbox.objects import ApiObject
from ops.sandbox.payment_methods import AUTHENTICATION_FAILED, PAYMENT_METHODS
from ops.sandbox.store import Store

PATH = "/sandbox/3ds"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 28rem; margin: 4rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
p { overflow-wrap: anywhere; }
form { display: flex; gap: 1rem; margin-top: 1.5rem; }
button { font: inherit; min-height: 2.75rem; padding: .4rem 1.2rem; }
"""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The shopper's answer. Any number of answers, from any number of windows, are one: the first
    is written down, the others are shown what became of it."""

    intent_id: str
    is_me: bool

    def run(self, store: Store) -> ApiObject | None:
        """Inside a transaction. The intent afterwards; None for an id that is none."""
        intent = store.get("payment_intent", self.intent_id)
        if intent is None or intent["status"] != "requires_action":
            return intent
        method = PAYMENT_METHODS[intent["payment_method"]]
        refusal = method.decline if self.is_me else AUTHENTICATION_FAILED
        if refusal:
            capturing.decline(store, intent, method, refusal)
        else:
            key, _ = store.challenge(intent["id"])
            capturing.capture(store, intent, method, key)
        return intent


def way_back(store: Store, intent: ApiObject) -> str:
    """The shop's address with what became of it, for people: a shop that believes it instead of
    asking the provider can be told anything. Empty when the shop gave no address."""
    _, url = store.challenge(intent["id"])
    status = "succeeded" if intent["status"] == "succeeded" else "failed"
    query = urlencode({"payment_intent": intent["id"], "redirect_status": status})
    return f"{url}{'&' if '?' in url else '?'}{query}" if url else ""


def check_page(intent: ApiObject) -> str:
    """The two buttons. Everything that came from outside is escaped."""
    amount = f"{intent['amount'] // 100:,}.{intent['amount'] % 100:02d}"
    what = f"{amount} {intent['currency'].upper()}"
    if intent["description"]:
        what += f" for {intent['description']}"
    return _page(
        "Is it you?",
        f"<p>The payment sandbox asks in the name of a bank: shall <strong>{escape(what)}</strong> "
        "be taken from this test card? It is nobody's money.</p>"
        '<form method="post"><button name="answer" value="yes">It is me</button>'
        '<button name="answer" value="no">It is not me</button></form>',
    )


def closed_page() -> str:
    return _page(
        "There is nothing to check",
        "<p>This payment waits for nobody. Go back to the shop to see how it stands.</p>",
    )


def _page(title: str, inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{inside}</main></body></html>"
    )

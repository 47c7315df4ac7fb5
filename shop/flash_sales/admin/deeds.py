"""What staff may do with a sale, in which of its states, and with which form."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shop.flash_sales import selling
from shop.flash_sales.admin import deed_forms as forms
from shop.flash_sales.models import FlashSale
from shop.flash_sales.states import SaleStatus

_ANY = frozenset({SaleStatus.DRAFT, *selling.RUNNING})
CHANGE = "flash_sales.change_flashsale"


@dataclass(frozen=True, slots=True)
class Deed:
    """``act(sale, facts of the form, actor)`` gives the words that tell what was done."""

    verb: str
    title: str
    explanation: str
    offered_in: frozenset[SaleStatus]
    form: type[forms.DeedForm]
    act: Callable[[FlashSale, dict[str, Any], str], str]
    is_final: bool = False

    @property
    def url_name(self) -> str:
        return f"flash_sales_flashsale_{self.verb}"


def _add_item(sale: FlashSale, facts: dict[str, Any], actor: str) -> str:
    new = selling.NewItem(facts["sku"], facts["title"], facts["price_cents"], facts["units"])
    item = selling.add_item(sale.pk, new, actor=actor)
    return f"{item.units} × {item.sku} are set aside for this sale."


def _add_units(sale: FlashSale, facts: dict[str, Any], actor: str) -> str:
    item_id, seen_units = facts["item"]
    selling.add_units(item_id, facts["quantity"], seen_units=seen_units, actor=actor)
    return f"{facts['quantity']} units were added."


def _announce(sale: FlashSale, _facts: dict[str, Any], actor: str) -> str:
    done = selling.announce(sale.pk, actor=actor)
    return "It is announced, and opens by itself." if done else "It was announced before."


def _pause(sale: FlashSale, facts: dict[str, Any], actor: str) -> str:
    done = selling.pause(sale.pk, facts["reason"], actor=actor)
    return "It is paused." if done else "It was paused before."


def _resume(sale: FlashSale, _facts: dict[str, Any], actor: str) -> str:
    return "It goes on." if selling.resume(sale.pk, actor=actor) else "It was going on."


def _rate(sale: FlashSale, facts: dict[str, Any], actor: str) -> str:
    selling.change_rate(sale.pk, facts["per_second"], actor=actor)
    return f"{facts['per_second']} people a second are let through."


def _end(sale: FlashSale, _facts: dict[str, Any], actor: str) -> str:
    done = selling.end(sale.pk, actor=actor)
    return "It has ended; free units are back in stock." if done else "It had ended."


DEEDS = (
    Deed(
        "add-item",
        "Add an item",
        "Its units are taken from what can be sold, and kept for this sale at once.",
        frozenset({SaleStatus.DRAFT}),
        forms.ItemForm,
        _add_item,
    ),
    Deed(
        "add-units",
        "Add units",
        "Whoever waits gets them within a second.",
        _ANY,
        forms.UnitsForm,
        _add_units,
    ),
    Deed(
        "announce",
        "Announce",
        "The sale gets a public page with a countdown. Times, prices and limits cannot be changed "
        "after that.",
        frozenset({SaleStatus.DRAFT}),
        forms.AnnounceForm,
        _announce,
    ),
    Deed(
        "pause",
        "Pause",
        "Nobody is let through until you resume. Places in line are kept, and whoever has a ticket "
        "may pay.",
        frozenset({SaleStatus.ANNOUNCED}),
        forms.PauseForm,
        _pause,
    ),
    Deed(
        "resume",
        "Resume",
        "The line goes on where it stopped.",
        frozenset({SaleStatus.PAUSED}),
        forms.DeedForm,
        _resume,
    ),
    Deed(
        "rate",
        "Change the rate",
        "How many people are let through to a ticket each second. Lower it when payments are slow.",
        _ANY,
        forms.RateForm,
        _rate,
    ),
    Deed(
        "end",
        "End the sale",
        "For good. Free units go back to stock at once; tickets keep theirs until their own time "
        "is over.",
        _ANY,
        forms.EndForm,
        _end,
        is_final=True,
    ),
)

"""What the page of one order shows, and which deeds it offers to whom."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import PermissionsMixin
from django.urls import reverse

from orders.admin.desk_actions import ACTIONS, ON_ORDER, DeskAction
from orders.admin.paper_views import papers_of
from orders.attention import reasons
from orders.desk import open_letters
from orders.models import Order
from orders.selectors import money


@dataclass(frozen=True, slots=True)
class Button:
    title: str
    url: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Something that belongs to the order, and what may be done with it."""

    shown: Any
    buttons: list[Button]


def order_page(order: Order, user: PermissionsMixin) -> dict[str, Any]:
    """The context of the page. Reads what ``order_for_desk`` fetched, and two queries more."""
    return {
        "order": order,
        "lines": order.lines.all(),
        "money": money(order),
        "reasons": reasons([order.pk]).get(order.pk, []),
        "letters": open_letters(order) if user.has_perm("tasks.view_deadletter") else [],
        "buttons": [
            _button(action, order.pk)
            for action in ON_ORDER
            if user.has_perm(action.permission) and action.offered(order)
        ],
        # Whoever has the link may do what the shopper may.
        "may_see_secrets": user.has_perm("orders.resend_mail"),
        "papers": papers_of(order, user),
        "parcels": _rows(order, "shipments", user),
        "returns": _rows(order, "returns", user),
        "mails": _rows(order, "notifications", user),
    }


def _rows(order: Order, relation: str, user: PermissionsMixin) -> list[Row]:
    allowed = [
        action for action in ACTIONS if action.of == relation and user.has_perm(action.permission)
    ]
    return [
        Row(one, [_button(action, order.pk, one.pk) for action in allowed if action.offered(one)])
        for one in getattr(order, relation).all()
    ]


def _button(action: DeskAction, *args: int) -> Button:
    return Button(action.title, reverse(f"admin:{action.url_name}", args=args), action.danger)

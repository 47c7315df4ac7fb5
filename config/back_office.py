"""How the admin looks: its menu and its colours."""

from typing import Any

from django.urls import reverse_lazy

_ON_CALL = "Behind the counter"
_MENU: dict[str, list[tuple[str, str, Any]]] = {
    "Orders": [
        ("Orders", "receipt_long", reverse_lazy("admin:orders_order_changelist")),
        ("Payments", "credit_card", reverse_lazy("admin:orders_payment_changelist")),
        ("Mails", "mail", reverse_lazy("admin:orders_notification_changelist")),
        ("Proof", "verified", reverse_lazy("admin:orders_proof")),
        ("Sales", "bar_chart", reverse_lazy("admin:orders_salesday_changelist")),
    ],
    "Shop": [
        ("Products", "storefront", reverse_lazy("admin:shop_product_changelist")),
        ("Categories", "category", reverse_lazy("admin:shop_category_changelist")),
        ("Stock", "inventory_2", reverse_lazy("admin:orders_stockitem_changelist")),
        ("Stock ledger", "list", reverse_lazy("admin:orders_stockmovement_changelist")),
    ],
    _ON_CALL: [
        ("Outbox", "outbox", reverse_lazy("admin:tasks_outboxmessage_changelist")),
        ("Dead letters", "error", reverse_lazy("admin:tasks_deadletter_changelist")),
        ("Breakers", "electrical_services", reverse_lazy("admin:tasks_breakerstate_changelist")),
        ("Events", "stream", reverse_lazy("admin:tasks_eventmessage_changelist")),
        ("Locks", "lock", reverse_lazy("admin:tasks_locks")),
    ],
    "People": [("Staff", "group", reverse_lazy("admin:auth_user_changelist"))],
}
_COLOURS = {
    "primary": {
        "50": "#eef6f8",
        "100": "#d7e9ee",
        "200": "#b2d3dd",
        "300": "#83b6c5",
        "400": "#4f93a7",
        "500": "#33788d",
        "600": "#1f5a6e",
        "700": "#1b4c5d",
        "800": "#183f4d",
        "900": "#143440",
        "950": "#0b2029",
    }
}


def unfold(shop_name: str, flower_url: str) -> dict[str, Any]:
    """``settings.UNFOLD``. Flower stands in the menu only where there is one."""
    flower = [("Flower", "monitoring", flower_url)] if flower_url else []
    return {
        "SITE_TITLE": f"{shop_name} back office",
        "SITE_HEADER": shop_name,
        "COLORS": _COLOURS,
        "SIDEBAR": {
            "show_search": True,
            "navigation": [
                {
                    "title": title,
                    "separator": True,
                    "items": [
                        {"title": name, "icon": icon, "link": link}
                        for name, icon, link in [*items, *(flower if title == _ON_CALL else [])]
                    ],
                }
                for title, items in _MENU.items()
            ],
        },
    }

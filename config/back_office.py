"""How the admin looks: its menu and its colours."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.text import format_lazy

_ATTENTION = "Needs attention"
_SAME_LIST = ("Orders", _ATTENTION)
_ORDERS = reverse_lazy("admin:orders_order_changelist")
_ON_CALL = "Behind the counter"
# (title, icon, address, who may see it)
_MENU: dict[str, list[tuple[str, str, Any, str]]] = {
    "Orders": [
        (
            "Orders",
            "receipt_long",
            reverse_lazy("admin:orders_order_changelist"),
            "orders.view_order",
        ),
        (
            _ATTENTION,
            "notification_important",
            format_lazy("{}?attention=any", _ORDERS),
            "orders.view_order",
        ),
        (
            "Payments",
            "credit_card",
            reverse_lazy("admin:orders_payment_changelist"),
            "orders.view_payment",
        ),
        (
            "Refunds",
            "currency_exchange",
            reverse_lazy("admin:orders_refund_changelist"),
            "orders.view_refund",
        ),
        (
            "Parcels",
            "package_2",
            reverse_lazy("admin:orders_shipment_changelist"),
            "orders.view_shipment",
        ),
        (
            "Returns",
            "assignment_return",
            reverse_lazy("admin:orders_return_changelist"),
            "orders.view_return",
        ),
        (
            "Mails",
            "mail",
            reverse_lazy("admin:orders_notification_changelist"),
            "orders.view_notification",
        ),
        ("Proof", "verified", reverse_lazy("admin:orders_proof"), "orders.see_proof"),
        (
            "Sales",
            "bar_chart",
            reverse_lazy("admin:orders_salesday_changelist"),
            "orders.view_salesday",
        ),
    ],
    "Shop": [
        (
            "Products",
            "storefront",
            reverse_lazy("admin:shop_product_changelist"),
            "shop.view_product",
        ),
        (
            "Categories",
            "category",
            reverse_lazy("admin:shop_category_changelist"),
            "shop.view_category",
        ),
        (
            "Stock",
            "inventory_2",
            reverse_lazy("admin:orders_stockitem_changelist"),
            "orders.view_stockitem",
        ),
        (
            "Stock ledger",
            "list",
            reverse_lazy("admin:orders_stockmovement_changelist"),
            "orders.view_stockmovement",
        ),
        (
            "Flash sales",
            "bolt",
            reverse_lazy("admin:flash_sales_flashsale_changelist"),
            "flash_sales.view_flashsale",
        ),
        (
            "Rehearsals of sales",
            "theater_comedy",
            reverse_lazy("admin:flash_sales_rehearsal_changelist"),
            "flash_sales.view_rehearsal",
        ),
        (
            "Tickets of sales",
            "confirmation_number",
            reverse_lazy("admin:flash_sales_ticket_changelist"),
            "flash_sales.view_ticket",
        ),
        (
            "Order exports",
            "schedule_send",
            reverse_lazy("admin:orders_exportschedule_changelist"),
            "orders.export_orders",
        ),
        (
            "Mails to the staff",
            "outgoing_mail",
            reverse_lazy("admin:orders_staffmail_changelist"),
            "orders.export_orders",
        ),
    ],
    "Other systems": [
        (
            "Listeners",
            "webhook",
            reverse_lazy("admin:orders_webhookendpoint_changelist"),
            "orders.manage_endpoints",
        ),
        (
            "Webhooks sent",
            "send",
            reverse_lazy("admin:orders_webhookdelivery_changelist"),
            "orders.view_webhookdelivery",
        ),
    ],
    _ON_CALL: [
        (
            "Outbox",
            "outbox",
            reverse_lazy("admin:tasks_outboxmessage_changelist"),
            "tasks.view_outboxmessage",
        ),
        (
            "Dead letters",
            "error",
            reverse_lazy("admin:tasks_deadletter_changelist"),
            "tasks.view_deadletter",
        ),
        (
            "Breakers",
            "electrical_services",
            reverse_lazy("admin:tasks_breakerstate_changelist"),
            "tasks.view_breakerstate",
        ),
        (
            "Events",
            "stream",
            reverse_lazy("admin:tasks_eventmessage_changelist"),
            "tasks.view_eventmessage",
        ),
        ("Locks", "lock", reverse_lazy("admin:tasks_locks"), "tasks.view_lockrelease"),
    ],
    "People": [
        ("Accounts", "person", reverse_lazy("admin:shop_account_changelist"), "shop.view_account"),
        (
            "Account mails",
            "forward_to_inbox",
            reverse_lazy("admin:shop_accountmail_changelist"),
            "shop.view_accountmail",
        ),
        ("Staff", "group", reverse_lazy("admin:auth_user_changelist"), "auth.view_user"),
    ],
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
    flower = [("Flower", "monitoring", flower_url, "tasks.view_outboxmessage")]
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
                        _entry(*item)
                        for item in [*items, *(flower if flower_url and title == _ON_CALL else [])]
                    ],
                }
                for title, items in _MENU.items()
            ],
        },
    }


def _entry(title: str, icon: str, link: Any, permission: str) -> dict[str, Any]:
    def may_see(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    entry = {"title": title, "icon": icon, "link": link, "permission": may_see}
    if title in _SAME_LIST:
        entry["active"] = partial(_is_the_list, attention=title == _ATTENTION)
    return entry


def _is_the_list(request: HttpRequest, *, attention: bool) -> bool:
    """Two entries lead to one list; only its filter tells them apart."""
    here = request.path.startswith(str(_ORDERS))
    return here and ("attention" in request.GET) == attention

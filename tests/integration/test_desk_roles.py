"""Every address of the back office: which role may look, and which may press its button.

A new address without a row here fails: say who may, then build it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, resolve, reverse
from django.views.generic import RedirectView

from orders import roles
from orders.models import Order
from orders.services.refund import RequestRefund, request_refund
from orders.services.returns import announce_return
from orders.services.timeline import SHOPPER
from shop.flash_sales.models import SaleItem
from tests.integration.any_row import any_row
from tests.integration.back_office_sales import draft_sale
from tests.integration.desk import order_page, pay_twice, plain_files, shipped, staff, text

pytestmark = pytest.mark.django_db

NOBODY = ""
# One letter a role: clerk, manager, auditor, and S for the superuser.
LETTERS = {"C": "clerk", "M": "manager", "A": "auditor", "S": ""}

# Lists of rows that services write: who sees them. Nobody adds, changes or deletes one by hand.
READ_ONLY = {
    "orders_order": "CMAS",
    "orders_payment": "CMAS",
    "orders_refund": "CMAS",
    "orders_shipment": "CMAS",
    "orders_return": "CMAS",
    "orders_notification": "CMAS",
    "orders_salesday": "CMAS",
    "orders_stockmovement": "CMAS",
    "flash_sales_ticket": "CMAS",
    "flash_sales_rehearsal": "CMAS",
    "orders_staffmail": "MAS",
    "orders_webhookdelivery": "MAS",
    "shop_account": "MAS",
    "shop_accountmail": "MAS",
    "tasks_outboxmessage": "AS",
    "tasks_deadletter": "MAS",
    "tasks_deadletteraction": "MAS",
    "tasks_breakerstate": "AS",
    "tasks_eventmessage": "AS",
    "tasks_lockrelease": "AS",
}
# Lists that are edited by hand: (who sees, who adds, who changes, who deletes).
EDITED = {
    "auth_group": ("AS", "S", "S", "S"),
    "auth_user": ("AS", "S", "S", "S"),
    # Of a stock item only the limit is edited, at which the staff are told that little is left.
    "orders_stockitem": ("CMAS", NOBODY, "MS", NOBODY),
    # Only a draft is edited, and the sale of this test is one.
    "flash_sales_flashsale": ("CMAS", "MS", "MS", NOBODY),
    "orders_exportschedule": ("MAS", "MS", "MS", "MS"),
    "orders_webhookendpoint": ("MAS", "MS", "MS", NOBODY),
    "shop_category": ("CMAS", "MS", "MS", "S"),
    "shop_product": ("CMAS", "MS", "MS", "S"),
}
# Everything else: (who may look, who may press the button).
PAGES = {
    **{f"orders_order_{verb}": ("CMS", "CMS") for verb in ("ship", "deliver", "ask-bank")},
    **{
        f"orders_order_{verb}": ("CMS", "CMS")
        for verb in ("announce-return", "receive-return", "withdraw-return", "resend")
    },
    **{f"orders_order_{verb}": ("MS", "MS") for verb in ("cancel", "refund", "refund-overpaid")},
    "orders_order_invoice": ("CMAS", NOBODY),
    "orders_order_slip": ("CMAS", NOBODY),
    "orders_order_parcel_slip": ("CMAS", NOBODY),
    "orders_order_export": ("MS", "MS"),
    **{f"orders_stockitem_{verb}": ("CMS", "CMS") for verb in ("receive", "receive_any", "import")},
    **{f"orders_stockitem_{verb}": ("MS", "MS") for verb in ("correct", "write_off")},
    "orders_stockitem_process_import": (NOBODY, "CMS"),
    "orders_proof": ("MAS", NOBODY),
    **{
        f"flash_sales_flashsale_{name}": ("CMAS", NOBODY)
        for name in ("console", "live", "preview", "preview_door")
    },
    **{
        f"flash_sales_flashsale_{verb}": ("MS", "MS")
        for verb in ("add-item", "add-units", "announce", "pause", "resume", "rate", "end")
    },
    "flash_sales_flashsale_rehearse": ("MS", "MS"),
    "flash_sales_rehearsal_live": ("CMAS", NOBODY),
    "tasks_deadletter_redrive_one": ("MS", "MS"),
    "tasks_deadletter_discard_one": ("S", "S"),
    "tasks_locks": ("AS", NOBODY),
    "tasks_locks_release": ("S", "S"),
    "auth_user_password_change": ("S", "S"),
    # Whoever is of the staff: the start page, the own password, the words of the calendar, and
    # searches that answer with what the asker may see.
    **dict.fromkeys(
        ("index", "app_list", "search", "password_change"),
        ("CMAS", "CMAS"),
    ),
    **dict.fromkeys(("jsi18n", "password_change_done"), ("CMAS", NOBODY)),
    # Only by POST: a link somewhere else must not sign anybody out.
    "logout": (NOBODY, "CMAS"),
    "login": ("CMAS", "CMAS"),
    # Both ask for a model that they may be used with, and refuse without one.
    "autocomplete": (NOBODY, NOBODY),
    "view_on_site": (NOBODY, NOBODY),
}


def table() -> dict[str, tuple[str, str]]:
    rows = dict(PAGES)
    for name, (sees, adds, changes, deletes) in {
        **{name: (sees, NOBODY, NOBODY, NOBODY) for name, sees in READ_ONLY.items()},
        **EDITED,
    }.items():
        rows[f"{name}_changelist"] = (sees, sees)
        rows[f"{name}_history"] = (sees, sees)
        rows[f"{name}_add"] = (adds, adds)
        rows[f"{name}_change"] = (sees, changes)
        rows[f"{name}_delete"] = (deletes, deletes)
    return rows


def addresses() -> dict[str, URLPattern]:
    return dict(_named(admin.site.get_urls()))


def _named(patterns: list[Any]) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _named(pattern.url_patterns)
        elif pattern.name is not None:
            yield pattern.name, pattern
        else:
            # The old address of a row, which leads to the new one, and the page for no address.
            view = pattern.callback
            leads_on = getattr(view, "view_class", None) is RedirectView
            assert leads_on or str(pattern.pattern) == "(?P<url>.*)$", pattern


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


@pytest.fixture
def order() -> Order:
    """An order to which everything happened."""
    order = shipped(2)
    pay_twice(order)
    announce_return(order.pk, form_key=uuid4(), lines=(), reason="", actor=SHOPPER)
    request_refund(RequestRefund(order.pk, "test", "A scratch.", "test", amount_cents=100))
    draft_sale()
    return order


def address(name: str, pattern: URLPattern, order: Order) -> str:
    wanted = set(pattern.pattern.converters) | set(pattern.pattern.regex.groupindex)
    given: dict[str, Any] = {}
    if "order_id" in wanted:
        given["order_id"] = order.pk
    if "target_id" in wanted:
        relation = {"deliver": "shipments", "parcel_slip": "shipments", "resend": "notifications"}
        verb = name.removeprefix("orders_order_")
        given["target_id"] = getattr(order, relation.get(verb, "returns")).first().pk
    if "item_id" in wanted:
        given["item_id"] = SaleItem.objects.get().pk
    if "content_type_id" in wanted:
        given |= {"content_type_id": 1, "object_id": 1}
    elif wanted & {"object_id", "id"}:
        given[next(iter(wanted & {"object_id", "id"}))] = any_row(model_of(name)).pk
    if "app_label" in wanted:
        given["app_label"] = "orders"
    return reverse(f"admin:{name}", kwargs=given)


def model_of(name: str) -> type[Model]:
    for model in admin.site._registry:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    raise LookupError(f"{name} is about a row of no model that is known here.")


def may(answer: Any) -> bool:
    """Whether the answer is anything else than 'not you'."""
    assert answer.status_code < 500, answer.request["PATH_INFO"]
    turned_away = answer.status_code in (302, 303) and "/login/" in answer["Location"]
    return answer.status_code not in (403, 404, 405) and not turned_away


def test_every_address_of_the_back_office_has_a_row_in_the_table() -> None:
    assert set(addresses()) == set(table())


@pytest.mark.parametrize("letter", LETTERS)
def test_each_role_may_look_and_do_exactly_what_the_table_says(letter: str, order: Order) -> None:
    client = staff(LETTERS[letter])
    urls = {
        name: address(name, pattern, order)
        for name, pattern in addresses().items()
        if name not in ("logout", "login")
    }
    # An auditor tries hard; the others press empty forms, which are refused or do no harm.
    sent = _everything(order) if letter == "A" else {}
    before = rows_of_everything()
    found, wanted = {}, {}

    for name, url in urls.items():
        found[name] = (may(client.get(url)), may(client.post(url, sent)))
        looks, presses = table()[name]
        wanted[name] = (letter in looks, letter in presses)

    assert found == wanted
    if letter == "A":
        assert rows_of_everything() == before


def _everything(order: Order) -> dict[str, Any]:
    return {
        "action": "cancel",
        "confirmed": "cancel",
        "post": "yes",
        "reason": "Because.",
        "_selected_action": [order.pk],
        "form_key": str(uuid4()),
        "bulk_key": str(uuid4()),
        "what": "all",
        "name": "other",
        "amount": "1",
        "quantity": "1",
    }


def rows_of_everything() -> dict[str, list[Any]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values_list())
        for model in admin.site._registry
    }


def test_a_stranger_and_a_shopper_get_no_further_than_the_sign_in_page(order: Order) -> None:
    shopper = Client()
    shopper.force_login(User.objects.create_user("shopper"))

    for client in (Client(), shopper):
        for name, pattern in addresses().items():
            if name in ("login", "logout"):
                continue
            url = address(name, pattern, order)
            assert not may(client.get(url)), name
            assert not may(client.post(url, {})), name


@pytest.mark.parametrize("letter", LETTERS)
def test_the_menu_leads_nobody_to_a_closed_door(letter: str) -> None:
    page = staff(LETTERS[letter]).get(reverse("admin:index"))

    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    links = [str(item["link"]) for item in items if item["has_permission"]]
    names = [resolve(urlsplit(link).path).url_name for link in links if link.startswith("/")]
    assert names
    assert [name for name in names if letter not in table()[str(name)][0]] == []


def test_an_auditor_sees_no_secret_link(order: Order) -> None:
    mail = order.notifications.order_by("pk").first()
    assert mail is not None
    mail.text = mail.html = f"Your order: https://shop.example/orders/{order.token}/"
    mail.save()
    mails_page = reverse("admin:orders_notification_change", args=[mail.pk])

    for url in (order_page(order), mails_page):
        assert order.token in staff("clerk", f"c {url}").get(url).content.decode()
        assert order.token not in staff("auditor", f"a {url}").get(url).content.decode()


def test_every_permission_that_a_role_names_is_there() -> None:
    there = {
        f"{label}.{codename}"
        for label, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }

    for name, role in roles.ROLES.items():
        assert role.permissions <= there, name


def test_a_role_that_was_changed_by_hand_is_what_the_table_says_after_a_migration() -> None:
    clerk, own = Group.objects.get(name="clerk"), Group.objects.create(name="packers")
    too_much = Permission.objects.get(codename="refund_order")
    clerk.permissions.set([too_much])
    own.permissions.set([too_much])

    call_command("migrate", verbosity=0)

    held = {f"{one.content_type.app_label}.{one.codename}" for one in clerk.permissions.all()}
    assert held == roles.ROLES["clerk"].permissions
    assert list(own.permissions.all()) == [too_much]


def test_the_page_offers_each_role_its_own_deeds(order: Order) -> None:
    clerk, manager = (staff(role).get(order_page(order)) for role in ("clerk", "manager"))

    assert "Refund…" not in text(clerk)
    assert "Mark delivered…" in text(clerk)
    assert "Refund…" in text(manager)

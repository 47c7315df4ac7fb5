"""The order desk for tests: orders in a state, staff with a role, forms filled in."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import LazySettings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from lxml import html

from orders.models import Order, Payment
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.placement import place_order
from orders.services.refunding import move_refund
from orders.services.shelf import receive_stock
from orders.services.shipping import ship_lines
from orders.states import PaymentStatus
from tests.integration.shopping import command, lease_on, line


def plain_files(settings: LazySettings, folder: Path) -> None:
    """No collectstatic is needed: files go by their plain names."""
    settings.STATIC_ROOT = folder
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def staff(role: str, name: str = "") -> Client:
    """Somebody of the staff, signed in; with no role: a superuser."""
    user = User.objects.create_user(name or role or "root", password=None, is_staff=True)
    if role:
        user.groups.set([Group.objects.get(name=role)])
    else:
        user.is_superuser = True
        user.save()
    client = Client()
    client.force_login(user)
    return client


def packed(*quantities: int, payment_method: str = "pm_card_visa") -> Order:
    """A paid and packed order; one line of the SKUs A-MUG, B-MUG … for each quantity, € 10 each."""
    wanted = [
        line(f"{chr(ord('A') + index)}-MUG", units)
        for index, units in enumerate(quantities or (1,))
    ]
    for item in wanted:
        receive_stock(item.sku, item.quantity + 5, "test")
    order = place_order(command(*wanted, payment_method=payment_method))
    with lease_on(order) as lease:
        capture_payment(order.pk, order.payments.get().pk, lease)
    with lease_on(order) as lease:
        deduct_inventory(order.pk, lease)
    order.refresh_from_db()
    return order


def shipped(*quantities: int) -> Order:
    order = packed(*quantities)
    ship_lines(order.pk, form_key=uuid4(), actor="test", carrier="dhl", tracking_code="JJD01")
    order.refresh_from_db()
    return order


def pay_twice(order: Order) -> None:
    """A second capture of a paid order, as the provider's books would bring it to light."""
    first = order.payments.get()
    Payment.objects.create(
        order=order,
        form_key=uuid4(),
        amount_cents=first.amount_cents,
        currency=first.currency,
        payment_method=first.payment_method,
        card_brand="visa",
        card_last4="1881",
        status=PaymentStatus.CAPTURED,
        gateway_reference=f"pi_{uuid4().hex}",
    )


def move_refunds(order: Order) -> None:
    for refund in order.refunds.all():
        with lease_on(order) as lease:
            move_refund(order.pk, refund.pk, lease)


def order_page(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def deed(verb: str, order: Order, *target: int) -> str:
    return reverse(f"admin:orders_order_{verb}", args=[order.pk, *target])


def filled(page: Any, form: str = "desk-form", **given: Any) -> dict[str, Any]:
    """The fields of the form on the page as a browser would send them, with some changed."""
    (found,) = document(page).xpath(f"//form[@id='{form}']")
    fields: dict[str, Any] = {}
    for name, value in found.form_values():
        fields[name] = [*fields[name], value] if name in fields else [value]
    return {**fields, **given}


def press(client: Client, url: str, **given: Any) -> Any:
    """Open the deed's page, fill it in, press the button; the page that comes after."""
    return client.post(url, filled(client.get(url), **given), follow=True)


def document(page: Any) -> Any:
    return html.fromstring(page.content.decode())


def text(page: Any) -> str:
    return " ".join(str(document(page).text_content()).split())

"""Staff looks at a draft as shoppers will see it; nobody else does, and nothing comes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from shop.flash_sales import selling
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import FlashSale, SaleItem, Ticket
from tests.integration.back_office_sales import draft_sale
from tests.integration.desk import staff
from tests.integration.sale_visitor import forget_everything
from tests.integration.sales import gated
from tests.integration.shop_visitor import Page

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    forget_everything(settings, tmp_path)


@pytest.fixture
def item() -> SaleItem:
    return draft_sale()


@pytest.fixture
def gate(item: SaleItem) -> Iterator[Gate]:
    """A draft has none; whoever asked it anyway would be counted here."""
    with gated(item) as built:
        yield built


def sale_url(item: SaleItem) -> str:
    return reverse("admin:flash_sales_flashsale_preview", args=[item.sale_id])


def door_url(item: SaleItem) -> str:
    return reverse("admin:flash_sales_flashsale_preview_door", args=[item.sale_id, item.pk])


def page(client: Client, url: str) -> Page:
    return Page(client.get(url))  # type: ignore[arg-type]  # the client's own kind of a response


@pytest.mark.parametrize("role", ["clerk", "manager", "auditor"])
def test_staff_sees_the_pages_of_a_draft_with_a_banner_and_no_cache_keeps_them(
    item: SaleItem, role: str
) -> None:
    client = staff(role)
    for url, words in ((sale_url(item), "Go to the door"), (door_url(item), "Get one")):
        seen = page(client, url)

        assert seen.status == 200
        assert "Preview: only staff sees this" in seen.words
        assert words in seen.words
        assert "Mug of autumn" in seen.words
        assert "10.00" in seen.words
        assert "no-store" in seen.response["Cache-Control"]
        assert "noindex" in seen.response["X-Robots-Tag"]


def test_nobody_else_sees_a_draft(item: SaleItem) -> None:
    for url in (sale_url(item), door_url(item)):
        assert "/login/" in page(Client(), url).location
    assert Client().get(f"/sale/{item.sale.slug}/").status_code == 404


def test_no_link_of_the_preview_leads_to_a_page_that_is_not_there(item: SaleItem) -> None:
    client = staff("manager")
    sale, door = page(client, sale_url(item)), page(client, door_url(item))
    links = [str(link) for one in (sale, door) for link in one.root.xpath("//main//a/@href")]
    clocks = [str(url) for one in (sale, door) for url in one.root.xpath("//@data-clock")]

    assert links == [door_url(item), sale_url(item)]
    assert clocks == [sale_url(item)] * 2
    answer = client.get(clocks[0], headers={"Accept": "application/json"}).json()
    assert answer["starts_ms"] == int(item.sale.starts_at.timestamp() * 1_000)
    assert answer["now_ms"]


def test_the_button_does_nothing_and_says_so(item: SaleItem, gate: Gate) -> None:
    FlashSale.objects.update(challenge_work=1_000)
    client = staff("manager")
    door = page(client, door_url(item))
    form = door.root.get_element_by_id("enter")
    pressed = page(client, f"{door_url(item)}?pressed=yes")

    assert "this button does nothing" in door.words
    assert (form.get("method"), form.get("action")) == ("get", door_url(item))
    assert "entry" not in door.form("enter")
    assert "nothing was done" in pressed.words
    assert "sale_person" not in client.cookies
    assert Ticket.objects.count() == 0
    assert (gate.counts(), gate.line_length()) == ({}, 0)


def test_the_preview_of_an_announced_sale_is_its_own_page(item: SaleItem) -> None:
    selling.announce(item.sale_id, actor="test")
    client = staff("clerk")

    assert page(client, sale_url(item)).location == f"/sale/{item.sale.slug}/"
    assert page(client, door_url(item)).location == f"/sale/{item.sale.slug}/{item.pk}/"


def test_an_item_of_another_draft_is_not_there(item: SaleItem) -> None:
    other = draft_sale(slug="other", sku="OTHER-MUG")
    url = reverse("admin:flash_sales_flashsale_preview_door", args=[item.sale_id, other.pk])

    assert page(staff("manager"), url).status == 404


def test_drafts_page_and_console_lead_to_the_preview(item: SaleItem) -> None:
    client = staff("clerk")
    for name in ("change", "console"):
        url = reverse(f"admin:flash_sales_flashsale_{name}", args=[item.sale_id])

        assert f'href="{sale_url(item)}"' in page(client, url).text


def test_a_shopper_sees_neither_banner_nor_preview(item: SaleItem) -> None:
    selling.announce(item.sale_id, actor="test")

    for url in (f"/sale/{item.sale.slug}/", f"/sale/{item.sale.slug}/{item.pk}/"):
        assert "Preview" not in page(Client(), url).text

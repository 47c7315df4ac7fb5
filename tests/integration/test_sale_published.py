"""What a sale's pages show is put beside the gate: the crowd asks Redis, nobody the database."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from shop.flash_sales import published, selling, shown, wire
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import FlashSale, SaleItem
from tests.integration.sale_visitor import at, clicks, facts_of, forget_everything, holder
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import Visitor, shelve

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    forget_everything(settings, tmp_path)


@pytest.fixture
def item() -> SaleItem:
    return open_item(1)


@pytest.fixture
def gate(item: SaleItem) -> Iterator[Gate]:
    with gated(item) as built:
        yield built


def test_what_is_published_is_what_the_database_says(item: SaleItem) -> None:
    shelve(item.sku, units=0)
    wanted = published.read_facts(item.sale.slug)
    published.publish_all()

    found = published.published_facts(item.sale.slug)

    assert wanted is not None
    assert found is not None
    assert item.sku in wanted.offers
    assert found.offers == wanted.offers
    for one, other in [(found.sale, wanted.sale), *zip(*_items(found, wanted), strict=True)]:
        for column in one._meta.concrete_fields:
            assert _value(one, column.attname) == _value(other, column.attname), column
    assert all(each.sale is found.sale for each in found.items.values())


def test_whoever_waits_costs_no_sql_once_it_is_published(item: SaleItem, gate: Gate) -> None:
    holder(item)
    waiting = Visitor()
    published.publish_all()
    shown.forget_all()

    with CaptureQueriesContext(connection) as queries:
        clicks(item, waiting)
        told = facts_of(waiting.get(at(item, "line/"), Accept="application/json"))

    assert told["said"] == "in_line"
    assert [query["sql"] for query in queries] == []


def test_pages_read_the_database_when_nobody_publishes(item: SaleItem) -> None:
    published.publish_all()
    wire.client().delete(published._key(item.sale.slug))
    assert Visitor().get(at(item)).status == 200


def test_pages_read_the_database_when_redis_is_away(item: SaleItem, settings: Settings) -> None:
    published.publish_all()
    settings.GATE_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(redis.RedisError):
        published.published_facts(item.sale.slug)
    assert Visitor().get(at(item)).status == 200


def test_an_answer_of_redis_that_is_missing_for_once_sends_nobody_to_the_database(
    item: SaleItem, settings: Settings
) -> None:
    published.publish_all()
    known = shown.shown_sale(item.sale.slug)
    shown._kept[item.sale.slug] = 0.0, known
    settings.GATE_URL = "redis://127.0.0.1:1/0"

    with CaptureQueriesContext(connection) as queries:
        assert shown.shown_sale(item.sale.slug) is known
    assert len(queries) == 0


def test_an_ended_sale_is_published_as_ended_and_a_draft_never(item: SaleItem) -> None:
    published.publish_all()
    selling.end(item.sale_id, actor="test")
    published.publish_all()

    found = published.published_facts(item.sale.slug)
    assert found is not None
    assert found.sale.status == "ended"

    FlashSale.objects.update(status="draft", slug="another")
    published.publish_all()
    assert published.published_facts("another") is None


def test_facts_of_a_newer_version_are_read_too(item: SaleItem) -> None:
    published.publish_all()
    key = published._key(item.sale.slug)
    text = str(wire.client().get(key))
    newer = text.replace(r"\"title\":", r"\"not_known_here\": 1, \"title\":")
    assert newer != text
    wire.client().set(key, newer, ex=5)

    found = published.published_facts(item.sale.slug)
    assert found is not None
    assert found.sale.title == item.sale.title


def test_a_hot_address_has_the_headers_of_every_other(item: SaleItem, gate: Gate) -> None:
    ordinary = Visitor().get(f"/sale/{item.sale.slug}/")
    hot = Visitor().get(at(item, "line/"))
    for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Content-Length"):
        assert hot.response[name], name
        if name != "Content-Length":
            assert hot.response[name] == ordinary.response[name]
    assert hot.response["X-Request-Id"]


@pytest.mark.parametrize("path", ["/sale/no-such-sale/1/line/", "/sale/no-such-sale/1/enter/"])
def test_a_hot_address_of_nothing_is_the_shops_own_page_of_nothing(path: str) -> None:
    page = Visitor().get(path) if "line" in path else Visitor().post(path, {})
    assert page.status == 404
    assert page.root.xpath("//h1/text()") == Visitor().get("/no/such/page/").root.xpath(
        "//h1/text()"
    )


def test_a_form_is_read_as_browsers_send_it(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    form = visitor.get(at(item)).form("enter")
    path, kind = at(item, "enter/"), "application/x-www-form-urlencoded"

    sent = visitor.client.post(path, urlencode(form), content_type=kind)
    assert sent.status_code == 303
    assert sent["Location"] == at(item, "ticket/")
    # What no browser sends is a false proof, or too much, and nobody's error.
    for body in ("", "entry", "entry=%ff", "=&=&&", "entry=\N{SNOWMAN}", "a=1&" * 2_000):
        assert visitor.client.post(path, body, content_type=kind).status_code in (400, 403), body


def _value(row: Model, name: str) -> object:
    """Times as the pages use them, which is to the millisecond."""
    value = getattr(row, name)
    return int(value.timestamp() * 1_000) if isinstance(value, datetime) else value


def _items(*facts: published.Facts) -> list[list[SaleItem]]:
    return [list(each.items.values()) for each in facts]

"""A visitor of a flash sale for tests: opens the door, presses the button, holds a unit."""

import json
from pathlib import Path
from typing import Any

from pytest_django import Settings

from shop.flash_sales import local_answers, shown
from shop.flash_sales.models import SaleItem
from tests.integration.accounts import prepare
from tests.integration.shop_visitor import Page, Visitor


def forget_everything(settings: Settings, tmp_path: Path) -> None:
    """The ids of sales and items start anew with each test."""
    prepare(settings, tmp_path)
    shown.forget_all()
    local_answers._sold_out_until.clear()
    local_answers._away_until.clear()


def facts_of(page: Page) -> dict[str, Any]:
    """Of an answer in JSON."""
    found: dict[str, Any] = json.loads(page.text)
    return found


def at(item: SaleItem, name: str = "") -> str:
    return f"/sale/{item.sale.slug}/{item.pk}/{name}"


def clicks(item: SaleItem, visitor: Visitor) -> Page:
    """Opens the door and presses its button."""
    form = visitor.get(at(item)).form("enter")
    return visitor.post(at(item, "enter/"), form)


def holder(item: SaleItem) -> Visitor:
    visitor = Visitor()
    assert clicks(item, visitor).location == at(item, "ticket/")
    return visitor

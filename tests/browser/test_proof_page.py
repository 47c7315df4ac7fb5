"""An auditor proves a week in a real browser and files the report."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import PHONE, open_tab, overflow
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def test_a_week_is_proved_and_its_signed_report_is_filed(
    browser: Browser, shop: ShopFloor, tmp_path: Path
) -> None:
    page = open_tab(browser, shop, script=True, size=PHONE)
    user, password = shop.stack.staff_login
    page.goto("/admin/orders/order/proof/")
    page.locator("[name=username]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("[type=submit]").click()

    page.get_by_role("button", name="Prove", exact=True).click()
    expect(page.locator(".proof h1")).to_contain_text("Proof: ")
    expect(page.locator(".proof")).to_contain_text("What was checked")
    assert overflow(page) <= 0

    with page.expect_download() as download:
        page.get_by_role("button", name="Signed JSON").click()
    filed = tmp_path / "proof.json"
    download.value.save_as(filed)
    verdict = shop.stack.manage("audit", "--verify", str(filed))
    assert "untouched, signed with this key" in verdict.stdout
    page.context.close()

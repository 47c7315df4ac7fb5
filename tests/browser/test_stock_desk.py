"""Staff keep the shelf in a real browser: receive, correct, write off, import a file."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.person import DESK, PHONE, open_tab, overflow
from tests.system.shop_floor import ShopFloor

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture
def page(browser: Browser, shop: ShopFloor) -> Iterator[Page]:
    """Somebody who may do everything with the stock, signed in."""
    tab = open_tab(browser, shop, script=True, size=DESK)
    user, password = shop.stack.staff_login
    tab.goto("/admin/")
    tab.locator("[name=username]").fill(user)
    tab.locator("[name=password]").fill(password)
    tab.locator("[type=submit]").click()
    yield tab
    tab.context.close()


def new_sku() -> str:
    return f"SHELF-{uuid4().hex[:8].upper()}"


def open_sku(page: Page, sku: str) -> None:
    page.goto(f"/admin/orders/stockitem/?q={sku}")
    page.locator("#result_list").get_by_role("link", name=sku, exact=True).click()


def press(page: Page, button: str) -> None:
    page.locator(f"a[href^='/admin/orders/stockitem/'][href$='/{button}/']").click()


def fill_in(page: Page, quantity: int, reason: str) -> None:
    form = page.locator("#stock-move")
    form.locator("[name=quantity]").fill(str(quantity))
    form.locator("[name=reason]").fill(reason)
    form.locator("[type=submit]").click()


def equation(page: Page) -> Locator:
    return page.locator("[data-books]")


def test_units_are_received_corrected_and_written_off_with_a_reason(
    page: Page, shop: ShopFloor
) -> None:
    sku = new_sku()
    page.goto("/admin/orders/stockitem/")
    press(page, "receive_any")
    page.locator("#stock-move [name=sku]").fill(sku)
    fill_in(page, 12, "Delivery 4711")
    expect(page.locator("body")).to_contain_text("12 on the shelf, 12 can be sold")

    for button, quantity, reason in (
        ("correct", -2, "Counted"),
        ("write_off", 1, "Broken"),
        ("receive", 3, "Found in the cellar"),
    ):
        press(page, button)
        expect(page.locator("#stock-move [name=sku]")).to_be_disabled()
        fill_in(page, quantity, reason)
        expect(page.locator("body")).to_contain_text("It is in the ledger")

    expect(equation(page)).to_have_attribute("data-books", "right")
    expect(equation(page)).to_have_text(
        "15 = 0 sold + 12 on the shelf + 1 written off + 2 corrected"
    )
    for told in ("Delivery 4711", "Counted", "Broken", "Found in the cellar", "staff "):
        expect(page.locator(".stock-ledger")).to_contain_text(told)
    assert shop.stock(sku) == (12, 0)


def test_what_cannot_be_is_told_beside_the_form_which_keeps_its_words(
    page: Page, shop: ShopFloor
) -> None:
    sku = new_sku()
    shop.add_product(sku, units=2)
    open_sku(page, sku)
    press(page, "write_off")

    fill_in(page, 3, "The cellar was under water")

    expect(page.locator("#stock-move")).to_contain_text("only 2 are not kept for an order")
    expect(page.locator("#stock-move [name=reason]")).to_have_value("The cellar was under water")
    assert shop.stock(sku) == (2, 0)


def test_a_mark_for_low_stock_is_set_and_the_list_shows_what_is_low(
    page: Page, shop: ShopFloor
) -> None:
    sku = new_sku()
    shop.add_product(sku, units=2)
    open_sku(page, sku)
    page.locator("[name=low_at]").fill("2")
    page.locator("[name=_save]").click()

    page.goto(f"/admin/orders/stockitem/?left=low&q={sku}")

    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator("#result_list")).to_contain_text(sku)


def test_books_that_do_not_agree_are_red(page: Page, shop: ShopFloor) -> None:
    sku = new_sku()
    shop.add_product(sku, units=2)
    shift = "StockItem.objects.filter(sku={!r}).update(on_hand={})"
    shop.ask(shift.format(sku, 5))
    try:
        page.goto(f"/admin/orders/stockitem/?q={sku}")

        wrong = equation(page)
        expect(wrong).to_have_attribute("data-books", "wrong")
        expect(wrong).to_contain_text("The ledger says 2 on the shelf, the shelf 5")
        expect(wrong).to_have_css("color", "rgb(185, 28, 28)")
    finally:
        shop.ask(shift.format(sku, 2))


def test_a_file_is_looked_at_then_imported_and_a_wrong_one_is_refused(
    page: Page, shop: ShopFloor, tmp_path: Path
) -> None:
    sku = new_sku()
    shop.add_product(sku, units=2)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    head = "sku,action,quantity,reason\n"
    good.write_text(f"{head}{sku},receive,10,Delivery 4712\n{sku},correct,-1,Counted\n")
    bad.write_text(f"{head}{sku},receive,1,Fine\n{sku},write_off,99,Too many\n")

    page.goto("/admin/orders/stockitem/")
    press(page, "import")
    page.set_input_files("[name=import_file]", bad)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("body")).to_contain_text("line 3, quantity")
    expect(page.get_by_role("button", name="Confirm import")).to_have_count(0)
    assert shop.stock(sku) == (2, 0)

    page.set_input_files("[name=import_file]", good)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("table")).to_contain_text("Delivery 4712")
    assert shop.stock(sku) == (2, 0)
    page.get_by_role("button", name="Confirm import").click()

    expect(page.locator("body")).to_contain_text("2 rows imported.")
    assert shop.stock(sku) == (11, 0)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_of_the_stock_is_wider_than_its_screen(
    page: Page, shop: ShopFloor, size: dict[str, int]
) -> None:
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    for path in (
        *("/admin/orders/stockitem/receive_any/", "/admin/orders/stockitem/import/"),
        *("/admin/orders/webhookendpoint/add/", "/admin/orders/exportschedule/add/"),
    ):
        page.goto(path)
        assert overflow(page) <= 0, f"{path} is {overflow(page)} px too wide"

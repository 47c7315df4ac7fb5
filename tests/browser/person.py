"""A person in front of a browser: opens the shop, fills a cart, types an address and a card."""

from playwright.sync_api import Browser, Page

from tests.system.shop_floor import ShopFloor

MAIL_MILLISECONDS = 30_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


def open_tab(browser: Browser, shop: ShopFloor, *, script: bool, size: dict[str, int]) -> Page:
    context = browser.new_context(
        base_url=shop.url,
        java_script_enabled=script,
        viewport={"width": size["width"], "height": size["height"]},
    )
    return context.new_page()


def go_to_checkout(page: Page) -> None:
    page.goto("/")
    page.locator("main a[href^='/p/']").first.click()
    page.locator("#add-to-cart").get_by_role("button", name="Add to cart").click()
    page.goto("/checkout/")


def fill_in(page: Page, card: str) -> None:
    for name, value in {
        "email": "alice@example.com",
        "name": "Alice Ahrens",
        "line1": "1 Quay Street",
        "postcode": "28195",
        "city": "Bremen",
        "card_number": card,
        "card_expiry": "12/39",
        "card_cvc": "123",
    }.items():
        page.locator(f"#checkout [name={name}]").fill(value)
    page.locator("#checkout [name=country]").select_option("DE")


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its screen."""
    pixels: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return pixels

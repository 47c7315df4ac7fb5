"""One shopper: walks from the home page to the order page through the forms of the shop."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ops.demo.browser import Browser, Filled, Page, PageError, fill
from ops.demo.scenarios import Plan

FINAL_SECONDS = 150.0
POLL_SECONDS = 0.4

PAID, CANCELLED, DECLINED, OUT_OF_STOCK, UNFINISHED, BROKEN = (
    "paid",
    "cancelled",
    "declined",
    "out of stock",
    "unfinished",
    "broken",
)


@dataclass(slots=True)
class Visit:
    """What one shopper saw. ``order_urls`` has one entry however often the button was hit."""

    plan: Plan
    ending: str
    order_urls: set[str] = field(default_factory=set)
    repeats: int = 0
    told: str = ""
    seconds: float = 0.0


def catalogue(base: str) -> dict[str, str]:
    """SKU → address of its product page, found by following the shop's own links."""
    with Browser(base) as browser:
        home = browser.get("/")
        pages, found = {home.url}, {}
        links = _links(home, "/c/") | _links(home, "/p/")
        for category in sorted(_links(home, "/c/")):
            links |= _links(browser.get(category), "/p/")
        for link in sorted(link for link in links - pages if "/p/" in link):
            for field_ in browser.get(link).document.xpath(
                "//form[@id='add-to-cart']//*[@name='sku']"
            ):
                if field_.get("value"):
                    found[str(field_.get("value"))] = urlsplit(link).path
    if not found:
        raise PageError(f"{base} shows no product that could be put into a cart")
    return found


def _links(page: Page, part: str) -> set[str]:
    hrefs = (urljoin(page.url, str(a.get("href"))) for a in page.document.xpath("//a[@href]"))
    return {href.split("#")[0] for href in hrefs if part in href}


def visit(base: str, plan: Plan, addresses: dict[str, str], number: int) -> Visit:
    """Carry out the plan and wait for its end. Never raises: what went wrong is the ending."""
    started = time.monotonic()
    try:
        with Browser(base) as browser:
            result = _shop(browser, plan, addresses, number)
    except PageError as error:
        result = Visit(plan, BROKEN, told=str(error))
    result.seconds = time.monotonic() - started
    return result


def _shop(browser: Browser, plan: Plan, addresses: dict[str, str], number: int) -> Visit:
    for sku, quantity in plan.basket:
        product = browser.get(addresses[sku])
        if product.one("//form[@id='add-to-cart']") is None or _is_sold_out(product, sku):
            return Visit(plan, OUT_OF_STOCK, told="the product page says sold out")
        cart = browser.submit(fill(product, "add-to-cart", sku=sku, quantity=str(quantity)))
        if cart.status == 409:
            return Visit(plan, OUT_OF_STOCK, told=_alerts(cart))
        if cart.status != 200:
            raise PageError(f"cart answered {cart.status}: {_alerts(cart)}")
    page = browser.get("/checkout/")
    form = fill(page, "checkout", **_person(number), **_card(plan.card))
    answers = _hit(browser, form, plan.clicks)
    orders = {answer.url for answer in answers if "/orders/" in answer.url}
    if not orders:
        if all(answer.status == 409 for answer in answers):
            return Visit(plan, OUT_OF_STOCK, told=_alerts(answers[0]), repeats=plan.clicks - 1)
        raise PageError(f"checkout answered {answers[0].status}: {_alerts(answers[0])}")
    result = Visit(plan, UNFINISHED, orders, repeats=plan.clicks - 1)
    for url in sorted(orders):
        _follow(browser, url, plan, result)
    return result


def _is_sold_out(product: Page, sku: str) -> bool:
    choice = product.one(f"//form[@id='add-to-cart']//*[@name='sku'][@value='{sku}']")
    button = product.one("//form[@id='add-to-cart']//button[not(@disabled)]")
    return button is None or (choice is not None and choice.get("disabled") is not None)


def _hit(browser: Browser, form: Filled, clicks: int) -> list[Page]:
    """The button, hit ``clicks`` times at once: each click is a request of its own."""
    if clicks == 1:
        return [browser.submit(form)]
    with ThreadPoolExecutor(clicks) as hands:
        twins = [browser.twin() for _ in range(clicks)]
        answers = list(hands.map(lambda twin: twin.submit(form), twins))
        for twin in twins:
            twin.__exit__()
    return answers


def _follow(browser: Browser, url: str, plan: Plan, result: Visit) -> None:
    deadline = time.monotonic() + FINAL_SECONDS
    next_card, cancels = plan.then_card, plan.then_cancels
    while time.monotonic() < deadline:
        page = browser.get(url)
        progress = page.one("//*[@id='progress']")
        if progress is None:
            raise PageError(f"{page.url} ({page.status}) does not say where the order stands")
        result.told = " ".join(page.texts("//*[@id='order-headline']"))
        if page.one("//*[@id='continue-to-bank']") is not None:
            _visit_bank(browser, page, plan.at_the_bank)
        elif progress.get("data-pending") == "true":
            time.sleep(POLL_SECONDS)
        elif next_card and page.one("//form[@id='retry-card']") is not None:
            browser.submit(fill(page, "retry-card", **_card(next_card)))
            next_card = ""
        elif cancels and page.one("//*[@id='cancel-order']") is not None:
            browser.submit(fill(browser.get(f"{page.url}cancel/"), "cancel"))
            cancels = False
        elif plan.then_cancels and not cancels:
            result.ending = CANCELLED
            return
        else:
            mailed = page.one("//*[@data-step='mail'][@data-step-state='done']")
            result.ending = DECLINED if mailed is None else PAID
            return


def _visit_bank(browser: Browser, page: Page, says: str) -> None:
    link = page.one("//*[@id='continue-to-bank']")
    if link is not None:
        bank = browser.get(str(link.get("href")))
        browser.submit(Filled(bank.url, {"answer": says}))


def _person(number: int) -> dict[str, str]:
    return {
        "email": f"shopper{number}@example.com",
        "name": f"Shopper Number {number}",
        "line1": f"{number} Harbour Street",
        "line2": "",
        "postcode": f"{10_000 + number}",
        "city": "Bremen",
        "country": "DE",
    }


def _card(number: str) -> dict[str, str]:
    return {"card_number": number, "card_expiry": "12/39", "card_cvc": "123"}


def _alerts(page: Page) -> str:
    return "; ".join(page.texts("//*[@role='alert']"))[:300]

"""A visitor of the shop for tests: fills in the forms that the pages carry, as a browser would."""

from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import cast
from uuid import UUID

from django.http import HttpResponse
from django.test import Client
from lxml import html

from orders.services.shelf import receive_stock
from shop.models import Category, Product, Variant

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
ADDRESS = {
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "line1": "Havenkade 12",
    "line2": "",
    "postcode": "1011 AB",
    "city": "Amsterdam",
    "country": "NL",
}


def shelve(sku: str, *, units: int, price_cents: int = 2800, name: str = "Tide mug") -> Variant:
    """A published product of one variant with `units` in stock (0: never any)."""
    category, _ = Category.objects.get_or_create(slug="ceramics", defaults={"name": "Ceramics"})
    product = Product.objects.create(
        slug=sku.lower(),
        name=name,
        category=category,
        tagline="A mug.",
        description="A mug with a waterline.",
        picture="tide-mug.svg",
        picture_alt="A mug",
        run_note="Run of 10",
        is_featured=True,
    )
    if units:
        receive_stock(sku, units, "for a test")
    return Variant.objects.create(product=product, sku=sku, price_cents=price_cents)


class Page:
    """A response with the questions that tests ask of it."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        self.status = response.status_code
        self.location = response.headers.get("Location", "")
        self.text = response.content.decode()

    @property
    def words(self) -> str:
        """What is read on the page, with single blanks."""
        return " ".join(self.root.text_content().replace("\N{NO-BREAK SPACE}", " ").split())

    @property
    def root(self) -> html.HtmlElement:
        return html.fromstring(self.text)

    def form(self, form_id: str) -> dict[str, str]:
        """The values that a browser would send with this form untouched."""
        form = self.root.get_element_by_id(form_id)
        return {str(name): str(value) for name, value in form.form_values()}

    def ids_with_errors(self) -> set[str]:
        return {str(field.get("name")) for field in self.root.xpath("//*[@aria-invalid='true']")}


class Visitor:
    def __init__(self, cookies: SimpleCookie | None = None) -> None:
        self.client = Client(enforce_csrf_checks=True)
        if cookies:
            self.client.cookies = SimpleCookie(cookies.output(header="", sep=";"))

    def get(self, path: str, **headers: str) -> Page:
        return Page(cast("HttpResponse", self.client.get(path, headers=headers)))

    def post(self, path: str, data: dict[str, str], **headers: str) -> Page:
        token = self.client.cookies["csrftoken"].value if "csrftoken" in self.client.cookies else ""
        sent = {"csrfmiddlewaretoken": token, **data}
        return Page(cast("HttpResponse", self.client.post(path, sent, headers=headers)))

    def buys(self, sku: str, quantity: int | str = 1) -> Page:
        """Opens the product's page and puts it into the cart."""
        form = self.get(f"/p/{sku.lower()}/").form("add-to-cart")
        return self.post("/cart/add/", {**form, "sku": sku, "quantity": str(quantity)})

    def checkout_form(self, card: str = GOOD_CARD) -> dict[str, str]:
        """The checkout page's form, filled in."""
        return filled(self.get("/checkout/"), card)

    def key_of(self, form: dict[str, str]) -> UUID:
        return UUID(form["idempotency_key"])


def filled(page: Page, card: str = GOOD_CARD) -> dict[str, str]:
    return {
        **page.form("checkout"),
        **ADDRESS,
        "card_number": card,
        "card_expiry": "12/39",
        "card_cvc": "123",
    }


def statuses(pages: Iterable[Page]) -> set[int]:
    return {page.status for page in pages}

"""Reads for the pages: published products with today's prices and stock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet
from django.templatetags.static import static

from orders import selectors as orders
from shop.cart import Offer
from shop.models import Category, Product, Variant
from shop.stock_words import Stock, describe


@dataclass(frozen=True, slots=True)
class Choice:
    """A variant as the product page offers it."""

    variant: Variant
    stock: Stock


@dataclass(frozen=True, slots=True)
class Shelf:
    """A product with its choices; prices in cents."""

    product: Product
    choices: tuple[Choice, ...]

    @property
    def price_cents(self) -> int:
        return min(choice.variant.price_cents for choice in self.choices)

    @property
    def has_price_range(self) -> bool:
        return len({choice.variant.price_cents for choice in self.choices}) > 1

    @property
    def stock(self) -> Stock:
        return describe(sum(choice.stock.units for choice in self.choices))

    @property
    def first_choice(self) -> Choice | None:
        """The one that is selected when the page opens: the first that can be bought."""
        return next((choice for choice in self.choices if choice.stock.can_buy), None)


@dataclass(frozen=True, slots=True)
class Section:
    category: Category
    shelves: tuple[Shelf, ...]


def featured() -> list[Shelf]:
    return _shelves(_published().filter(is_featured=True))


def related(product: Product, limit: int = 4) -> list[Shelf]:
    """Others of the same category."""
    others = _published().filter(category=product.category_id).exclude(pk=product.pk)
    return _shelves(others[:limit])


def section(slug: str) -> Section | None:
    category = Category.objects.filter(slug=slug).first()
    if category is None:
        return None
    return Section(category, tuple(_shelves(_published().filter(category=category))))


def shelf(slug: str) -> Shelf | None:
    return next(iter(_shelves(_published().filter(slug=slug))), None)


def shelf_of(sku: str) -> Shelf | None:
    """The published product that has this SKU."""
    return next(iter(_shelves(_published().filter(variants__sku=sku))), None)


def offers(skus: Iterable[str]) -> dict[str, Offer]:
    """SKU → what the catalogue says of it now. SKUs that are not sold are missing."""
    wanted = list(skus)
    if not wanted:
        return {}
    units = orders.available(wanted)
    variants = Variant.objects.filter(sku__in=wanted, product__is_published=True)
    return {
        variant.sku: Offer(
            sku=variant.sku,
            title=variant.title,
            price_cents=variant.price_cents,
            url=variant.product.get_absolute_url(),
            picture=picture_url(variant.product),
            available=units[variant.sku],
        )
        for variant in variants.select_related("product")
    }


def titles(skus: Iterable[str]) -> Mapping[str, str]:
    """SKU → title, of withdrawn products too, so that a message can name them."""
    variants = Variant.objects.filter(sku__in=list(skus)).select_related("product")
    return {variant.sku: variant.title for variant in variants}


def picture_url(product: Product) -> str:
    return static(f"shop/pictures/{product.picture}")


def _published() -> QuerySet[Product]:
    return (
        Product.objects.filter(is_published=True, variants__isnull=False)
        .distinct()
        .select_related("category")
        .prefetch_related(Prefetch("variants", Variant.objects.order_by("position", "pk")))
        .order_by("category__position", "position", "pk")
    )


def _shelves(products: Iterable[Product]) -> list[Shelf]:
    listed = list(products)
    units = orders.available(
        [variant.sku for product in listed for variant in product.variants.all()]
    )
    return [
        Shelf(
            product,
            tuple(
                Choice(variant, describe(units[variant.sku])) for variant in product.variants.all()
            ),
        )
        for product in listed
    ]

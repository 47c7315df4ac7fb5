"""Put the catalogue of shop/catalogue.toml on the shelves. May run at every start."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from orders import selectors
from orders.services.shelf import receive_stock
from shop.models import Category, Product, Variant

_DEFAULT = Path(__file__).resolve().parents[2] / "catalogue.toml"


class Command(BaseCommand):
    help = (
        "Create what is missing and update texts and pictures from the catalogue file. Prices and "
        "'published' are set only at creation, since staff change them in the admin. Stock is "
        "received only for SKUs that never had any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, default=_DEFAULT, help="a catalogue in TOML")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            with file.open("rb") as source, transaction.atomic():
                variants, received = load(tomllib.load(source))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}.") from None
        except KeyError as error:
            raise CommandError(
                f"{file}: {error} is missing from an entry. Compare it with shop/catalogue.toml."
            ) from None
        print(f"Catalogue: {variants} SKUs, {received} received their first stock.")


def load(catalogue: dict[str, Any]) -> tuple[int, int]:
    """Write the catalogue; the numbers of SKUs in it and of SKUs that got their first stock."""
    stocked = selectors.stocked_skus()
    seeds = [
        seed
        for position, category in enumerate(catalogue["category"])
        for seed in _load_category(category, position)
    ]
    fresh = [seed for seed in seeds if seed["sku"] not in stocked]
    for seed in fresh:
        receive_stock(seed["sku"], seed["stock"], "First delivery of the run.")
    return len(seeds), len(fresh)


def _load_category(seed: dict[str, Any], position: int) -> list[dict[str, Any]]:
    category, _ = Category.objects.update_or_create(
        slug=seed["slug"],
        defaults={
            "name": seed["name"],
            "description": seed["description"],
            "position": position,
        },
    )
    variants = []
    for product_position, product in enumerate(seed["product"]):
        variants += _load_product(category, product, product_position)
    return variants


def _load_product(category: Category, seed: dict[str, Any], position: int) -> list[dict[str, Any]]:
    texts = {
        name: seed[name]
        for name in (
            "name",
            "tagline",
            "description",
            "picture",
            "picture_alt",
            "run_note",
            "details",
        )
    }
    product, _ = Product.objects.update_or_create(
        slug=seed["slug"],
        defaults={
            **texts,
            "category": category,
            "position": position,
            "is_featured": seed.get("featured", False),
        },
    )
    for variant_position, variant in enumerate(seed["variant"]):
        _load_variant(product, variant, variant_position)
    return list(seed["variant"])


def _load_variant(product: Product, seed: dict[str, Any], position: int) -> None:
    texts = {"product": product, "name": seed.get("name", ""), "position": position}
    Variant.objects.update_or_create(
        sku=seed["sku"],
        defaults=texts,
        create_defaults={**texts, "price_cents": seed["price_cents"]},
    )

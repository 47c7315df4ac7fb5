"""The catalogue file, and what loading it leaves in the database."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from orders.selectors import available, stocked_skus
from shop.models import Category, Product, Variant
from tests.integration.shop_visitor import shelve

pytestmark = pytest.mark.django_db


def test_the_catalogue_is_worth_looking_at() -> None:
    call_command("load_catalogue")
    assert Category.objects.count() >= 4
    assert Product.objects.count() >= 12
    assert set(Variant.objects.values_list("sku", flat=True)) == stocked_skus()
    scarce = {sku: left for sku, left in available(stocked_skus()).items() if left < 40}
    assert scarce == {"LAMP-BEACON-ONE": 8}


def test_every_product_has_its_picture() -> None:
    call_command("load_catalogue")
    for product in Product.objects.all():
        assert finders.find(f"shop/pictures/{product.picture}"), product.picture
        product.full_clean()


def test_loading_twice_brings_no_stock_twice() -> None:
    call_command("load_catalogue")
    before = available(stocked_skus())
    call_command("load_catalogue")
    assert available(stocked_skus()) == before


def test_loading_again_mends_texts_and_leaves_what_staff_decide() -> None:
    call_command("load_catalogue")
    Product.objects.filter(slug="tide-mug").update(name="?", is_published=False)
    Variant.objects.filter(sku="MUG-TIDE-BLUE").update(price_cents=9900)
    call_command("load_catalogue")
    product = Product.objects.get(slug="tide-mug")
    assert (product.name, product.is_published) == ("Tide mug", False)
    assert Variant.objects.get(sku="MUG-TIDE-BLUE").price_cents == 9900


@pytest.mark.parametrize(
    ("text", "says"),
    [("category = [", "cannot be read"), ('[[category]]\nslug = "a"', "'name' is missing")],
)
def test_a_broken_file_is_told_and_changes_nothing(tmp_path: Path, text: str, says: str) -> None:
    broken = tmp_path / "catalogue.toml"
    broken.write_text(text)
    with pytest.raises(CommandError, match=says):
        call_command("load_catalogue", file=broken)
    assert not Category.objects.exists()


@pytest.mark.parametrize("change", [{"price_cents": 0}, {"sku": "not a sku"}, {"sku": ""}])
def test_the_database_refuses_a_variant_that_cannot_be_sold(change: dict[str, object]) -> None:
    variant = shelve("MUG-ONE", units=0)
    with pytest.raises(IntegrityError):
        Variant.objects.filter(pk=variant.pk).update(**change)


def test_staff_cannot_name_a_picture_that_is_not_there() -> None:
    product = shelve("MUG-ONE", units=0).product
    product.picture = "nothing.svg"
    with pytest.raises(ValidationError, match="no such file"):
        product.full_clean()

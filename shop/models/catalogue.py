"""What is on the shelves: categories, products and their variants.

Orders copy sku, title and price when they are placed, so nothing there points back here and a
product can be changed or withdrawn at any time. How many units there are is `orders`' business.
"""

from django.contrib.staticfiles import finders
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.urls import reverse


class Category(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=60)
    description = models.CharField(max_length=300, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:category", args=[self.slug])


class Product(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    tagline = models.CharField(max_length=140)
    description = models.TextField()
    picture = models.CharField(
        max_length=100, help_text="File name in static/shop/pictures, such as tide-mug.svg."
    )
    picture_alt = models.CharField("picture in words", max_length=200)
    run_note = models.CharField(max_length=60, help_text="Such as 'Run of 240, 2026'.")
    details = models.CharField("size and material", max_length=200, blank=True)
    is_published = models.BooleanField("published", default=True)
    is_featured = models.BooleanField("on the home page", default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.slug])

    def clean(self) -> None:
        """A picture that is not there would break every page that shows the product."""
        if not finders.find(f"shop/pictures/{self.picture}"):
            raise ValidationError(
                {"picture": "There is no such file in static/shop/pictures. Check the name."}
            )


class Variant(models.Model):
    """One thing that can be bought: it has the SKU and the price, in cents of settings.CURRENCY."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="variants")
    sku = models.CharField("SKU", max_length=40, unique=True)
    name = models.CharField(
        max_length=60, blank=True, help_text="Colour or size. Empty when there is only one."
    )
    price_cents = models.PositiveIntegerField("price in cents")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(price_cents__gt=0), name="variant_price_positive"),
            models.CheckConstraint(
                condition=Q(sku__regex=r"^[A-Z0-9]+(-[A-Z0-9]+)*$"), name="variant_sku_shape"
            ),
            models.UniqueConstraint(fields=["product", "name"], name="variant_name_once"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name on the order and on the mail."""
        return f"{self.product.name}, {self.name}" if self.name else self.product.name

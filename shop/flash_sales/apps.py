from django.apps import AppConfig


class FlashSalesConfig(AppConfig):
    name = "shop.flash_sales"
    label = "flash_sales"
    verbose_name = "Flash sales"

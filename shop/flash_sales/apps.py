from django.apps import AppConfig


class FlashSalesConfig(AppConfig):
    name = "shop.flash_sales"
    label = "flash_sales"
    verbose_name = "Flash sales"

    def ready(self) -> None:
        # Registers its gauges, once the models are loaded.
        import shop.flash_sales.metrics  # noqa: F401, PLC0415

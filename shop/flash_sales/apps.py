from django.apps import AppConfig


class FlashSalesConfig(AppConfig):
    name = "shop.flash_sales"
    label = "flash_sales"
    verbose_name = "Flash sales"

    def ready(self) -> None:
        # Each registers what it has, once the models are loaded.
        import shop.flash_sales.metrics  # noqa: PLC0415
        import shop.flash_sales.proof  # noqa: F401, PLC0415

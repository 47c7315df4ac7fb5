from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"
    verbose_name = "Shop"

    def ready(self) -> None:
        # Registers its gauges, once the models are loaded.
        import shop.metrics  # noqa: F401, PLC0415

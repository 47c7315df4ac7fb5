from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        # Each registers what it has, once the models are loaded.
        import orders.checks  # noqa: PLC0415
        import orders.metrics  # noqa: F401, PLC0415

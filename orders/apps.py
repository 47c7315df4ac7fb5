from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        import orders.checks  # noqa: F401, PLC0415  # registers the checks once apps are loaded

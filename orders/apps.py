from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        # Each registers what it has, once the models are loaded.
        import orders.checks  # noqa: PLC0415
        import orders.metrics  # noqa: F401, PLC0415
        from orders.roles import write_roles  # noqa: PLC0415

        post_migrate.connect(write_roles, dispatch_uid="orders.roles")

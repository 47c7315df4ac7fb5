from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = "Task platform"

    def ready(self) -> None:
        # Django allows models only from here on; the second one listens to Celery's signals.
        from tasks import compression, tracing  # noqa: PLC0415
        from tasks.events import checks  # noqa: F401, PLC0415
        from tasks.metrics import exporter, page  # noqa: F401, PLC0415

        compression.check_codec()
        tracing.configure()

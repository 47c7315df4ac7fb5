from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = "Task platform"

    def ready(self) -> None:
        from tasks import tracing  # noqa: PLC0415  # Django allows models only from here on

        tracing.configure()

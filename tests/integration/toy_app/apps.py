from django.apps import AppConfig


class ToyAppConfig(AppConfig):
    name = "tests.integration.toy_app"
    label = "toy_app"

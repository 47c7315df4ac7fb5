"""Bring the database and the static files to the state that the application needs.

Run as ``python -m ops.stack.prepare`` in the application's environment. One process for all
steps, because starting Django takes longer than most of them.
"""

import os
import sys

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command


def main() -> int:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("load_catalogue")
    _create_staff()
    call_command("collectstatic", interactive=False, verbosity=0)
    return 0


def _create_staff() -> None:
    name = os.environ["DJANGO_SUPERUSER_USERNAME"]
    if not get_user_model().objects.filter(username=name).exists():
        call_command("createsuperuser", interactive=False, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())

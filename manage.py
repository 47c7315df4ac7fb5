#!/usr/bin/env python
"""Django's command line for this shop."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(f"A setting is wrong: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

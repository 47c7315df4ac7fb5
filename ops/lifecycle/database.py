"""A database that nobody else looks at."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def own_database(name: str) -> Iterator[None]:
    """Made with all migrations, used by this process from here on, and dropped at the end."""
    settings = connection.settings_dict
    settings["TEST"]["NAME"] = name
    before = settings["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    with connection.cursor() as cursor:
        # Nothing here outlives a crash anyway, so a commit need not wait for the disk.
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    connection.close()
    try:
        yield
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)

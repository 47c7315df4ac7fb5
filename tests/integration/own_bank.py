"""A bank that one module's tests bank with, each of them with empty books."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import LazySettings

from tests.integration.sandbox_server import SandboxServer, running_sandbox


@dataclass(frozen=True, slots=True)
class OwnBank:
    """``books`` is the SQLite file whose objects the API lists."""

    server: SandboxServer
    books: Path

    def open_anew(self, settings: LazySettings) -> None:
        """What other tests did there is not listed any more, and the settings point to it."""
        with closing(sqlite3.connect(self.books)) as database, database:
            database.execute("DELETE FROM objects")
        self.server.set_mode("ok")
        settings.STRIPE_API_BASE = self.server.base_url
        settings.STRIPE_API_KEY = self.server.api_key


@contextmanager
def own_bank(folder: Path) -> Iterator[OwnBank]:
    with running_sandbox(folder) as server:
        yield OwnBank(server, folder / "ledger.sqlite3")

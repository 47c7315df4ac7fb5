"""A bank that only the tests of one module bank with, so that its whole ledger is theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import LazySettings

from tests.integration.sandbox_server import SandboxServer, running_sandbox


@dataclass(frozen=True, slots=True)
class OwnBank:
    server: SandboxServer
    books: Path


@contextmanager
def own_bank(folder: Path, settings: LazySettings) -> Iterator[OwnBank]:
    """The settings point to it on entry; ``books`` is its SQLite file."""
    with running_sandbox(folder) as server:
        settings.STRIPE_API_BASE = server.base_url
        settings.STRIPE_API_KEY = server.api_key
        yield OwnBank(server, folder / "ledger.sqlite3")

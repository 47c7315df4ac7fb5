"""The page of a worker's or a relay's container."""

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import httpx
import pytest
from django.conf import LazySettings

from tasks.metrics import exporter
from tasks.metrics.meter import METER


@pytest.fixture
def server(settings: LazySettings) -> Iterator[ThreadingHTTPServer]:
    server = exporter.serve(0, settings.METRICS_TOKEN)
    yield server
    server.shutdown()
    server.server_close()


def get(server: ThreadingHTTPServer, path: str, token: str = "") -> tuple[int, str]:
    answer = httpx.get(
        f"http://127.0.0.1:{server.server_port}{path}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=10,
    )
    return answer.status_code, answer.text


def test_it_shows_what_was_counted_and_asks_nobody_else(server: ThreadingHTTPServer) -> None:
    METER.count("relay_published", (), 3)
    status, page = get(server, "/metrics")
    assert status == 200
    assert "relay_published_total" in page
    assert "outbox_messages" not in page
    assert get(server, "/")[0] == 404


def test_a_token_that_is_set_is_wanted(server: ThreadingHTTPServer, settings: LazySettings) -> None:
    settings.METRICS_TOKEN = "right"
    assert get(server, "/metrics")[0] == 403
    assert get(server, "/metrics", "wrong")[0] == 403
    assert get(server, "/metrics", "right")[0] == 200


def test_without_a_token_it_listens_to_this_machine_only(server: ThreadingHTTPServer) -> None:
    assert server.server_address[0] == "127.0.0.1"

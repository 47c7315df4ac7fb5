"""``/metrics`` of a worker or a relay that shares no folder with the web: one page per container.

It shows what the processes of this container have counted. Gauges of database and broker are the
web's alone, so that Prometheus does not add them up.
"""

import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import prometheus_client
from celery.signals import worker_ready
from django.conf import settings

from tasks.metrics.processes import counted_by_all, write_out


def serve(port: int, token: str) -> ThreadingHTTPServer:
    """Answer on the port until ``shutdown``; without a token for this machine only. Raises OSError
    when the port is taken."""
    server = ThreadingHTTPServer(("" if token else "127.0.0.1", port), _Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics-page", daemon=True).start()
    return server


@worker_ready.connect(dispatch_uid="tasks.metrics.exporter")
def serve_if_wanted(**_: Any) -> None:
    """Where METRICS_PORT says so. In a worker it runs in the parent, once the children are made."""
    if settings.METRICS_PORT:
        serve(settings.METRICS_PORT, settings.METRICS_TOKEN)


class _Page(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:  # http.server's name
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
        elif not self._may_look():
            self.send_error(HTTPStatus.FORBIDDEN)
        else:
            write_out()
            registry = prometheus_client.CollectorRegistry()
            registry.register(counted_by_all())
            body = prometheus_client.generate_latest(registry)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _may_look(self) -> bool:
        token = settings.METRICS_TOKEN
        given = self.headers.get("Authorization", "").encode()
        return not token or secrets.compare_digest(given, f"Bearer {token}".encode())

    def log_message(self, *_: Any) -> None:
        """A line for every look would drown the rest."""

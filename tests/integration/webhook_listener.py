"""A shop that only listens: it keeps what the provider tells it, and can refuse it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    body: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Listener:
    """``status`` is what it answers from now on."""

    url: str = ""
    status: int = 200
    heard: list[Heard] = field(default_factory=list)

    def types(self, intent: str) -> list[str]:
        """The types of the events about an intent or a refund of it, in order of arrival."""
        return [
            one.event["type"]
            for one in self.heard
            if intent
            in (
                one.event["data"]["object"]["id"],
                one.event["data"]["object"].get("payment_intent"),
            )
        ]


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.heard.append(Heard(body, self.headers["Stripe-Signature"]))
            self.send_response(listener.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: what was heard is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()

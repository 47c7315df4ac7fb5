"""Another system that takes our webhooks: it keeps what it hears, and can be ill in many ways."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """``status`` is what it answers from now on; ``drips``: one byte of the answer at a time."""

    url: str = ""
    status: int = 200
    drips: bool = False
    calls: list[Call] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.calls.append(Call(self.path, headers, body))
            if receiver.drips:
                self.drip()
                return
            self.send_response(receiver.status)
            self.send_header("Location", receiver.url + "elsewhere")
            self.end_headers()
            self.wfile.write(b"heard <you>\n")

        def drip(self) -> None:
            """Never silent for long, and never done."""
            try:
                while not receiver.ended.wait(0.05):
                    self.wfile.write(b"H")
                    self.wfile.flush()
            except OSError:
                return  # cut off, as it should be

        def log_message(self, *_: object) -> None:
            """Nothing: what was heard is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ended.set()
        server.shutdown()
        thread.join(10)
        server.server_close()

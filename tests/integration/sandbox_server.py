"""The payment sandbox as a process of its own, for tests: started, killed, started again."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_START_TIMEOUT_SECONDS = 20.0
_STOP_TIMEOUT_SECONDS = 10.0
_ROOT = Path(__file__).resolve().parents[2]


class SandboxServer:
    """``base_url`` and ``api_key`` are what a shop needs; both stay the same over a restart."""

    def __init__(
        self, folder: Path, *, hang_seconds: float, slow_seconds: float, webhook_url: str = ""
    ) -> None:
        self.api_key = f"sk_test_{secrets.token_hex(12)}"
        self.webhook_secret = f"whsec_{secrets.token_hex(12)}"
        self._port = _free_port()
        self.base_url = f"http://127.0.0.1:{self._port}"
        self._log = folder / "sandbox.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "STRIPE_API_KEY": self.api_key,
            "SANDBOX_STORE": str(folder / "ledger.sqlite3"),
            "SANDBOX_HANG_SECONDS": str(hang_seconds),
            "SANDBOX_SLOW_SECONDS": str(slow_seconds),
            # Never that of the stack around us, whose shop knows nothing of these payments.
            "SANDBOX_WEBHOOK_URL": webhook_url,
            "SANDBOX_WEBHOOK_SECRET": self.webhook_secret,
            "SANDBOX_PUBLIC_URL": "",
        }

    def start(self) -> None:
        """Returns when /healthz answers. Raises RuntimeError with the log's end when it does not
        within 20 s."""
        command = [sys.executable, "-m", "granian", "--interface", "asgi"]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "ops.sandbox.app:app"],
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_healthy(self._process)

    def kill(self) -> None:
        """kill -9, the server and its worker at once: nothing is written down on the way out."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def set_mode(self, mode: str) -> None:
        """ok, hang, down or slow, for every request of the API."""
        httpx.post(
            f"{self.base_url}/sandbox/mode", json={"mode": mode}, trust_env=False
        ).raise_for_status()

    def set_webhooks(self, mode: str) -> None:
        """normal, duplicate, late, reversed or off."""
        httpx.post(
            f"{self.base_url}/sandbox/webhooks", json={"mode": mode}, trust_env=False
        ).raise_for_status()

    def webhooks(self) -> dict[str, Any]:
        """How many events wait, were sent and were given up."""
        answer = httpx.get(f"{self.base_url}/sandbox/webhooks", trust_env=False).raise_for_status()
        seen: dict[str, Any] = answer.json()
        return seen

    def authenticate(self, page_url: str, *, is_me: bool) -> str:
        """Press a button on the bank's page, as the shopper; where the bank sends them then."""
        answer = httpx.post(page_url, data={"answer": "yes" if is_me else "no"}, trust_env=False)
        return str(answer.headers.get("location", ""))

    def movements(self) -> list[dict[str, Any]]:
        """The books, newest first."""
        answer = httpx.get(f"{self.base_url}/sandbox/ledger", trust_env=False).raise_for_status()
        movements: list[dict[str, Any]] = answer.json()["movements"]
        return movements

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            self._process.wait(_STOP_TIMEOUT_SECONDS)

    def _wait_until_healthy(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.base_url}/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(
            f"The sandbox did not come up:\n{self._log.read_text(errors='replace')[-3000:]}"
        )


@contextmanager
def running_sandbox(
    folder: Path,
    *,
    hang_seconds: float = 30.0,
    slow_seconds: float = 4.0,
    webhook_url: str = "",
) -> Iterator[SandboxServer]:
    """A sandbox with its books in ``folder``, healthy on entry and gone on exit."""
    server = SandboxServer(
        folder, hang_seconds=hang_seconds, slow_seconds=slow_seconds, webhook_url=webhook_url
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

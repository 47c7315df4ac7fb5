"""What the sandbox is told from outside."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """``store`` is the file of the books; durations are in seconds.

    ``public_url`` is where browsers reach the sandbox; empty: where the shop reaches it.
    ``webhook_url`` empty: nobody is told of what happens.
    """

    api_key: str
    store: Path
    slow_seconds: float
    hang_seconds: float
    public_url: str
    webhook_url: str
    webhook_secret: str


def read_environment() -> Environment:
    """From STRIPE_API_KEY, SANDBOX_STORE, SANDBOX_SLOW_SECONDS, SANDBOX_HANG_SECONDS,
    SANDBOX_PUBLIC_URL, SANDBOX_WEBHOOK_URL and SANDBOX_WEBHOOK_SECRET.

    Raises SystemExit with one sentence on what is wrong and one on what to do.
    """
    webhook_url = _url("SANDBOX_WEBHOOK_URL")
    return Environment(
        api_key=_text("STRIPE_API_KEY", "Set it to the key that the shop uses."),
        store=_store(),
        slow_seconds=_seconds("SANDBOX_SLOW_SECONDS", 4.0),
        hang_seconds=_seconds("SANDBOX_HANG_SECONDS", 30.0),
        public_url=_url("SANDBOX_PUBLIC_URL"),
        webhook_url=webhook_url,
        webhook_secret=_text(
            "SANDBOX_WEBHOOK_SECRET", "Set it to the shop's STRIPE_WEBHOOK_SECRET."
        )
        if webhook_url
        else "",
    )


def _text(name: str, remedy: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise SystemExit(f"The payment sandbox needs {name}, and it is not set. {remedy}")
    return value


def _url(name: str) -> str:
    url = os.environ.get(name, "").strip()
    if url and not url.startswith(("http://", "https://")):
        raise SystemExit(f"{name}={url} is no address. Begin it with http:// or leave it empty.")
    return url


def _store() -> Path:
    path = Path(_text("SANDBOX_STORE", "Set it to the file that shall hold the books."))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(
            f"The folder of SANDBOX_STORE={path} cannot be made ({error.strerror}). "
            "Name a file in a folder that this process may write to."
        ) from None
    return path


def _seconds(name: str, default: float) -> float:
    raw = os.environ.get(name, "").strip() or str(default)
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3_600:
        raise SystemExit(f"{name}={raw} is no duration. Set it to seconds between 0 and 3600.")
    return value

"""What the sandbox is told from outside."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """``store`` is the file of the books; durations are in seconds."""

    api_key: str
    store: Path
    slow_seconds: float
    hang_seconds: float


def read_environment() -> Environment:
    """From STRIPE_API_KEY, SANDBOX_STORE, SANDBOX_SLOW_SECONDS and SANDBOX_HANG_SECONDS.

    Raises SystemExit with one sentence on what is wrong and one on what to do.
    """
    return Environment(
        api_key=_text("STRIPE_API_KEY", "Set it to the key that the shop uses."),
        store=_store(),
        slow_seconds=_seconds("SANDBOX_SLOW_SECONDS", 4.0),
        hang_seconds=_seconds("SANDBOX_HANG_SECONDS", 30.0),
    )


def _text(name: str, remedy: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise SystemExit(f"The payment sandbox needs {name}, and it is not set. {remedy}")
    return value


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

"""Make the virtual environment and install the pinned requirements, then run ``python -m ops``.

Started by ``./dev`` as a script with nothing but the standard library.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
# Written last: an installation that was interrupted leaves no stamp and is done again.
STAMP = VENV / ".requirements"
REQUIREMENTS = (
    *("requirements.txt", "requirements-otel.txt", "requirements-dev.txt"),
    "constraints.txt",
)


def main() -> None:
    try:
        if not is_current():
            install()
    except KeyboardInterrupt:
        sys.exit("\nStopped. The next run begins the installation again.")
    os.execv(PYTHON, [str(PYTHON), "-m", "ops", *sys.argv[1:]])  # noqa: S606 - no shell wanted


def fingerprint() -> str:
    """Changes whenever other packages might be needed: the files and this Python's version."""
    digest = hashlib.sha256(sys.version.encode())
    for name in REQUIREMENTS:
        digest.update((CHECKOUT / name).read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    try:
        return STAMP.read_text(encoding="utf-8") == fingerprint() and works()
    except FileNotFoundError:
        return False


def works() -> bool:
    """Whether the environment's Python starts: it does not after its base was upgraded away."""
    if not PYTHON.exists():
        return False
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def install() -> None:
    """Install under a lock, so that two first runs at once do not trip over each other."""
    # The checkout itself serves as the lock file; the descriptor is freed at exec or at the end.
    lock = os.open(CHECKOUT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another ./dev that is installing packages.")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current():
            return
    STAMP.unlink(missing_ok=True)
    if not works():
        make_environment()
    install_packages()
    STAMP.write_text(fingerprint(), encoding="utf-8")


def make_environment() -> None:
    say(f"Making the virtual environment {VENV} with Python {sys.version.split()[0]}.")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        add_venv_module()
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment")


def add_venv_module() -> None:
    """Debian keeps ``venv`` and ``ensurepip`` in a package of their own."""
    package = f"python3.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(
            "This Python has no module venv or ensurepip, so no virtual environment can be made.\n"
            f"Install it (Debian: sudo apt-get install {package}) and run this again."
        )
    say(f"Installing {package} with apt, since this Python has no module venv.")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run(["apt-get", "-q", "update"], "apt-get update")
    run(["apt-get", "-q", "install", "-y", "--no-install-recommends", package], "apt-get install")


def install_packages() -> None:
    say("Installing the pinned requirements (the first time 20 to 90 seconds).")
    run(
        [
            *(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("-r", "requirements-dev.txt", "-c", "constraints.txt"),
        ],
        "pip install",
    )


def run(command: list[str], what: str) -> None:
    """Run quietly; on failure show what it said and leave."""
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(
            f"{done.stdout.strip()}\n\n{what} failed with exit code {done.returncode}; "
            "its own words are above. Repair that and run this again."
        )


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()

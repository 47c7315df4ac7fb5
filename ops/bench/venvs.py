"""A virtual environment for each set of pinned packages: the peers' pins exclude one another."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ops.stack.errors import StackError
from ops.stack.layout import home

INSTALL_SECONDS = 300


def folder() -> Path:
    """Where everything that the benchmarks keep lies; git does not see it."""
    return home() / "bench"


def python_for(requirements: tuple[str, ...], say: Callable[[str], None]) -> Path:
    """The interpreter of an environment with exactly these packages, made when it is missing.

    Raises:
        StackError: the installation failed; the text is what pip said.
    """
    if not requirements:
        return Path(sys.executable)
    words = "\n".join([sys.version, *requirements])
    name = requirements[0].replace("==", "-")
    venv = folder() / "venvs" / f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    python, stamp = venv / "bin" / "python", venv / ".installed"
    if stamp.exists():
        return python
    say(f"Installing {requirements[0]} into its own environment (once).")
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", *requirements])
    # Last, so that an installation that was interrupted is done again.
    stamp.write_text(words, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode != 0:
        raise StackError(
            f"{done.stderr.strip()}\n\nA peer of the benchmark could not be installed; pip's own "
            "words are above. Repair that and run this again."
        )

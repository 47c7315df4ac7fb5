"""Where a stack keeps its files."""

import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from ops.stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
# supervisord's configuration and RabbitMQ's shell scripts cannot quote everything.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+@,-]*")
_STATE = "state.json"


def home() -> Path:
    """The folder that holds all stacks of this checkout.

    It is ``STACK_HOME``, or ``.stack`` in the checkout, or a folder in /var/tmp when the checkout's
    path is out of reach for the user postgres (we are root) or has characters that servers reject.

    Raises:
        StackError: STACK_HOME is not usable.
    """
    chosen = os.environ.get("STACK_HOME", "").strip()
    if chosen:
        path = Path(chosen).expanduser().absolute()
        if not _PLAIN_PATH.fullmatch(str(path)):
            raise StackError(
                f"STACK_HOME={chosen} has characters that the servers' configuration cannot hold. "
                "Choose a folder of letters, digits and / . _ + @ , - only."
            )
        return path
    inside = CHECKOUT / ".stack"
    if _PLAIN_PATH.fullmatch(str(inside)) and (os.geteuid() != 0 or open_to_all(CHECKOUT)):
        return inside
    digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:10]
    return Path(f"/var/tmp/soldonce-{os.geteuid()}-{digest}")  # noqa: S108 - _own() guards it


def open_to_all(folder: Path) -> bool:
    """Whether any user may pass through the folder and everything above it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write the whole file or nothing; nobody else can read it even for a moment."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    new.replace(path)


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one stack, all below ``folder``."""

    folder: Path

    @classmethod
    def of(cls, name: str) -> "Layout":
        return cls(home() / name)

    @property
    def lock(self) -> Path:
        """Beside the folder, so that it survives the removal of a fresh stack's data."""
        return self.folder.parent / f"{self.folder.name}.lock"

    @property
    def state(self) -> Path:
        return self.folder / _STATE

    @property
    def conf(self) -> Path:
        return self.folder / "supervisord.conf"

    @property
    def pidfile(self) -> Path:
        return self.folder / "supervisord.pid"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def data(self, part: str) -> Path:
        return self.folder / part

    @property
    def metrics(self) -> Path:
        """Where the application's processes put their numbers together."""
        return self.folder / "metrics"

    def create(self) -> None:
        """Make the folders. Other users may pass through (postgres must, under root), not read."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o711, exist_ok=True)
            _own(folder)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.data("mail").mkdir(mode=0o700, exist_ok=True)
        # What processes of the last time counted does not belong to these.
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)

    def remove(self) -> None:
        """Delete the stack's files.

        Raises:
            StackError: the folder was not made by a stack.
        """
        if not self.folder.exists():
            return
        if not self.state.exists() and any(self.folder.iterdir()):
            raise StackError(
                f"{self.folder} is not the folder of a stack, so it is not deleted. "
                "Move it away, or point STACK_HOME at another place."
            )
        shutil.rmtree(self.folder)


def _own(folder: Path) -> None:
    """Refuse a folder that somebody else put at our place in a shared directory."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StackError(
            f"{folder} belongs to another user. Point STACK_HOME at a folder of your own."
        )

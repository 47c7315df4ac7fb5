"""One command at a time may start or stop a stack."""

import fcntl
import os
from typing import IO

from ops.stack.errors import StackError
from ops.stack.layout import Layout


class StackLock:
    """Held by the process that starts, uses or stops a stack; the system frees it at its end."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.lock
        self._name = layout.folder.name
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or keep it.

        Raises:
            StackError: another process has it.
        """
        if self._file:
            return
        self._path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise StackError(
                f"Another command (process {holder}) is using the stack '{self._name}' of this "
                "checkout. Wait for it to end, or stop it, and run this again."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

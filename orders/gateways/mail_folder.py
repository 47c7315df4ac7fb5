"""A mail backend for development: every mail is a file that a mail program opens."""

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_STEM = 100


def mail_file_name(message_id: str) -> str:
    """The file's name for a Message-ID: its left part, or that part made safe plus a digest.

    A name changed to be safe gets a digest of the whole, so that two Message-IDs never share a
    file. Raises ValueError when there is no left part.
    """
    left = message_id.strip().strip("<>").partition("@")[0]
    if not left:
        raise ValueError("The mail has no Message-ID with a left part, so it has no file name")
    safe = _UNSAFE.sub("-", left)[:_LONGEST_STEM]
    if safe != left:
        safe = f"{safe}-{hashlib.sha256(left.encode()).hexdigest()[:12]}"
    return f"{safe}.eml"


class FolderBackend(BaseEmailBackend):
    """Writes ``<MAIL_DIR>/<left part of the Message-ID>.eml``.

    The same Message-ID twice is one file, as it is one message in a mailbox. A reader sees the
    whole mail or none. Raises OSError when the folder cannot be made or written.
    """

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        super().__init__(fail_silently=fail_silently, **kwargs)
        self._folder = Path(settings.MAIL_DIR)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            self._write(message)
        return len(email_messages)

    def _write(self, message: EmailMessage) -> None:
        rendered = message.message()
        target = self._folder / mail_file_name(str(rendered["Message-ID"] or ""))
        content = rendered.as_bytes()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write_whole(target, content)
        except OSError as error:
            raise OSError(
                error.errno,
                f"Mail cannot be written to MAIL_DIR={self._folder} ({error.strerror}). "
                "Make it a folder that this process may write to",
            ) from error


def _write_whole(target: Path, content: bytes) -> None:
    """Write under another name, force it to disk, then rename: a crash leaves no half mail."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder's own data.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

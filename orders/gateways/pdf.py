"""A page becomes a PDF in a process of its own, which has an end: time, memory and size are
bounded, and whatever a C library does there, this process lives on."""

import subprocess
import sys
import threading
from pathlib import Path

import structlog

from orders.errors import Busy, PaperUnavailable
from orders.gateways.pdf_process import NO_PANGO

log = structlog.get_logger(__name__)

SECONDS = 20
_WAIT_SECONDS = 5
_LONGEST_PAGE_BYTES = 1_000_000
_LARGEST_PDF_BYTES = 5_000_000
_PROGRAM = Path(__file__).with_name("pdf_process.py")
# So many at once in each process of the web; the next ones wait, and not for ever.
_PLACES = threading.BoundedSemaphore(2)

_SORRY = "The PDF cannot be made right now. Open the page instead and print it from there."


def html_to_pdf(html: str) -> bytes:
    """Nothing that the page links to is fetched. Takes about a second.

    Raises PaperUnavailable when it cannot be made (Pango is missing, too long, too slow), Busy
    when too many are being made.
    """
    page = html.encode()
    if len(page) > _LONGEST_PAGE_BYTES:
        log.error("pdf_page_too_long", bytes=len(page))
        raise PaperUnavailable(_SORRY)
    if not _PLACES.acquire(timeout=_WAIT_SECONDS):
        raise Busy("Many papers are being made right now. Please try again in a moment.")
    try:
        return _made(page)
    finally:
        _PLACES.release()


def _made(page: bytes) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_PROGRAM)],
            input=page,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        log.error("pdf_too_slow", seconds=SECONDS)
        raise PaperUnavailable(_SORRY) from error
    if done.returncode == NO_PANGO:
        log.error("pdf_without_pango", install="apt-get install libpangoft2-1.0-0")
        raise PaperUnavailable(
            f"{_SORRY} (For the shop's operator: the library Pango is missing on this machine; "
            "apt-get install libpangoft2-1.0-0.)"
        )
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        tail = done.stderr.decode(errors="replace")[-2_000:]
        log.error("pdf_failed", returncode=done.returncode, stderr=tail)
        raise PaperUnavailable(_SORRY)
    if len(done.stdout) > _LARGEST_PDF_BYTES:
        log.error("pdf_too_large", bytes=len(done.stdout))
        raise PaperUnavailable(_SORRY)
    return done.stdout

"""The optional compression of large bodies. Every process looks at start whether it could read it.

A worker that lacks the codec could not decode the message, so nobody starts with such a setting.
"""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu import compression


def check_codec() -> None:
    """Raises ImproperlyConfigured when this process could not read what the relay compresses."""
    if not settings.OUTBOX_COMPRESSION:
        return
    try:
        compression.get_decoder(settings.OUTBOX_COMPRESSION)
    except KeyError:
        known = ", ".join(sorted(name.rpartition("/x-")[2] for name in compression.encoders()))
        raise ImproperlyConfigured(
            f"OUTBOX_COMPRESSION={settings.OUTBOX_COMPRESSION} cannot be read by this process. "
            f"Choose one of {known}, install the codec's package everywhere a worker runs, or "
            "leave it empty."
        ) from None


def compress(body: bytes) -> tuple[bytes, str]:
    """The body and the codec's content type; unchanged and empty when it is small or off."""
    if not settings.OUTBOX_COMPRESSION or len(body) <= settings.OUTBOX_COMPRESS_OVER_BYTES:
        return body, ""
    packed: tuple[bytes, str] = compression.compress(body, settings.OUTBOX_COMPRESSION)
    return packed

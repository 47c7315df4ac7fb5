"""A codec that a consumer could not read stops the process, not the message."""

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from kombu.compression import decompress

from tasks.compression import check_codec, compress


def test_an_unknown_codec_is_refused_at_start_with_those_that_are_known(
    settings: LazySettings,
) -> None:
    settings.OUTBOX_COMPRESSION = "snappy"

    with pytest.raises(ImproperlyConfigured, match=r"snappy.*gzip.*every"):
        check_codec()


@pytest.mark.parametrize("codec", ["", "gzip", "bzip2", "lzma"])
def test_a_known_codec_or_none_is_fine(settings: LazySettings, codec: str) -> None:
    settings.OUTBOX_COMPRESSION = codec

    check_codec()


def test_only_what_is_larger_than_the_limit_is_compressed(settings: LazySettings) -> None:
    settings.OUTBOX_COMPRESSION = "gzip"
    settings.OUTBOX_COMPRESS_OVER_BYTES = 100

    assert compress(b"x" * 100) == (b"x" * 100, "")
    packed, codec = compress(b"x" * 101)
    assert len(packed) < 100
    assert decompress(packed, codec) == b"x" * 101

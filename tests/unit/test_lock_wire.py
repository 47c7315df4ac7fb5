"""Bytes out, replies in."""

import hiredis
import pytest

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Denied,
    Failed,
    Granted,
    Held,
    NotReady,
    Release,
    Reply,
)
from tasks.locks.wire import Terms, encode, parse

TERMS = Terms(prefix="shop", quarantine_ms=12_000, retention_ms=3_600_000, lead_ms=60_000)


def _sent(payload: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(payload)
    command: list[bytes] = reader.gets()
    return command


def test_an_acquire_names_its_keys_and_the_server_run() -> None:
    payload = encode(Acquire("order:42", "n" * 32, 10_000, 1_795_405_763_935_100), TERMS, "run-1")
    command = _sent(payload)
    assert command[0] == b"EVALSHA"
    assert command[2:6] == [
        b"3",
        b"shop:lease:{order:42}",
        b"shop:token:{order:42}",
        b"shop:lock-node",
    ]
    assert command[6:] == [
        b"n" * 32, b"10000", b"1795405763935100", b"3600000", b"run-1", b"12000", b"60000",
    ]  # fmt: skip


def test_a_release_needs_the_slot_and_the_nonce_only() -> None:
    command = _sent(encode(Release("order:42", "abc"), TERMS, "run-1"))
    assert command[2:] == [b"1", b"shop:lease:{order:42}", b"abc"]


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ([b"granted", 1_795_405_763_935_100], Granted(1_795_405_763_935_100)),
        ([b"denied", 1500, b"abcd1234"], Denied(1.5, "abcd1234")),
        ([b"not_ready", 12_000], NotReady(12.0)),
        ([b"ahead", 90_000], Ahead(90.0)),
        ([b"held"], Held()),
        ([b"nonsense"], Failed("[b'nonsense']")),
        ([b"granted"], Failed("[b'granted']")),
        (None, Failed("None")),
        (hiredis.ReplyError("OOM command not allowed"), Failed("OOM command not allowed")),
    ],
)
def test_what_a_node_says_is_read(answer: object, reply: Reply) -> None:
    assert parse(answer) == reply

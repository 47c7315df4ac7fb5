"""Bytes out, replies in."""

import hiredis
import pytest

from tasks.locks.messages import (
    Acquire,
    Ahead,
    Call,
    Denied,
    Failed,
    Granted,
    Held,
    NotReady,
    Place,
    Release,
    Reply,
)
from tasks.locks.wire import Encoder, Terms, entry_of, parse, parse_call, signature

TERMS = Terms(prefix="shop", quarantine_ms=12_000, retention_ms=3_600_000, lead_ms=60_000)


def _sent(payload: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(payload)
    command: list[bytes] = reader.gets()
    return command


KEYS = [
    b"4",
    b"shop:lease:{order:42}",
    b"shop:token:{order:42}",
    b"shop:lock-node",
    b"shop:waiting:{order:42}",
]


def test_an_acquire_names_its_keys_and_the_server_run() -> None:
    request = Acquire("order:42", "n" * 32, 10_000, 1_795_405_763_935_100, "worker 7")
    command = _sent(Encoder(TERMS).encode(request) + signature("run-1"))
    assert command[0] == b"EVALSHA"
    assert command[2:7] == KEYS
    value = b"." + b"n" * 32 + b" worker 7"
    assert command[7:] == [value, b"10000", b"1795405763935100", b"run-1 0"]


def test_a_place_in_line_stands_in_front_of_the_run() -> None:
    request = Acquire("order:42", "n", 10_000, 5, "Zoë")
    request.place = Place(77, entry_of(request, "bell", 1_234))
    command = _sent(Encoder(TERMS).encode(request) + signature("run-1"))
    entry = "1234 bell 10000 5 n Zoë".encode()
    assert command[7:] == [".n Zoë".encode(), b"10000", b"5", b"77", entry, b"run-1 0"]


@pytest.mark.parametrize("entry", ["", "1234 bell 10000 5 abc Zoë"])
def test_a_release_proposes_a_token_for_the_next(entry: str) -> None:
    release = Release("order:42", "abc", 7, entry)
    command = _sent(Encoder(TERMS).encode(release) + signature("run-1"))
    assert command[2:7] == KEYS
    assert command[7:] == [b"abc ", b"7", *([entry.encode()] if entry else []), b"run-1 0"]


def test_a_call_names_key_and_nonce() -> None:
    said = [b"message", b"shop:bell:x", "17 shop:lease:{order:42} abc Zoë the 2nd".encode()]
    assert parse_call(2, TERMS, said) == Call(2, "order:42", "abc", 17)
    assert parse_call(2, TERMS, [b"subscribe", b"shop:bell:x", 1]) is None


def test_many_keys_are_not_all_remembered() -> None:
    encoder = Encoder(TERMS)
    for number in range(3000):
        assert f"{{k{number}}}".encode() in encoder.encode(Release(f"k{number}", "abc"))
    assert len(encoder._heads) <= 1024


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (1_795_405_763_935_100, Granted(1_795_405_763_935_100)),
        ([b"denied", 1500, b"abcd1234"], Denied(1.5, "abcd1234")),
        ([b"not_ready", 12_000], NotReady(12.0)),
        ([b"ahead", 90_000], Ahead(90.0)),
        (b"held", Held()),
        (b"nonsense", Failed("b'nonsense'")),
        ([b"denied"], Failed("[b'denied']")),
        (None, Failed("None")),
        (hiredis.ReplyError("OOM command not allowed"), Failed("OOM command not allowed")),
    ],
)
def test_what_a_node_says_is_read(answer: object, reply: Reply) -> None:
    assert parse(answer) == reply

"""A filed report is either exactly what the shop signed, or it is found out."""

import json
import secrets

import pytest
from django.conf import LazySettings
from hypothesis import given
from hypothesis import strategies as some

from orders.services.proof_signature import (
    NoProofKey,
    Verdict,
    canonical,
    public_key,
    signed_json,
    signed_lines,
    verify,
)

REPORT = {"about": "2026-11-01 to 2026-11-30", "holds": True, "orders": [{"total_cents": 4990}]}


@pytest.fixture(autouse=True)
def key(settings: LazySettings) -> str:
    settings.PROOF_KEY = secrets.token_urlsafe(50)
    return public_key()


def filed_forms() -> list[bytes]:
    return [
        signed_json(REPORT),
        signed_lines(b"record,order\r\norder,7K2Q-9FWD\r\n", "{}"),
        signed_lines(b"<!doctype html>\n<p>holds</p>\n", "<!-- {} -->"),
    ]


def test_an_untouched_report_is_known_as_ours(key: str) -> None:
    for filed in filed_forms():
        assert verify(filed, key) == (Verdict.UNTOUCHED, key)


def test_every_changed_byte_is_found_out(key: str) -> None:
    for filed in filed_forms():
        for place in range(len(filed)):
            changed = bytearray(filed)
            changed[place] ^= 0x01
            verdict, _ = verify(bytes(changed), key)
            same = _means_the_same(bytes(changed), filed)
            assert verdict is not Verdict.UNTOUCHED or same, bytes(changed)[place - 20 : place + 20]


def _means_the_same(changed: bytes, filed: bytes) -> bool:
    """Blanks between the parts of a JSON text, or around the signature, say nothing."""
    try:
        return bool(json.loads(changed) == json.loads(filed))
    except ValueError:
        return changed.split() == filed.split()


def test_a_json_report_may_be_written_in_another_way(key: str) -> None:
    document = json.loads(signed_json(REPORT))
    again = json.dumps(dict(reversed(document.items())), indent=7).encode()

    assert verify(again, key)[0] is Verdict.UNTOUCHED


def test_a_name_that_comes_twice_is_refused(key: str) -> None:
    filed = signed_json(REPORT).replace(b'"about":', b'"about": "another", "about":', 1)

    assert verify(filed, key)[0] is Verdict.UNSIGNED


def test_nothing_can_be_put_beside_the_signature(key: str) -> None:
    _json, _csv, html = filed_forms()

    assert verify(html.replace(b"<!--", b"<p>more</p><!--"), key)[0] is not Verdict.UNTOUCHED
    assert verify(html.replace(b"-->", b"--><p>more</p>"), key)[0] is not Verdict.UNTOUCHED


def test_rows_cannot_be_added_after_the_signature(key: str) -> None:
    _json, csv, html = filed_forms()

    assert verify(csv + b"order,2222-2222\r\n", key)[0] is not Verdict.UNTOUCHED
    assert verify(html + b"<p>more</p>\n", key)[0] is not Verdict.UNTOUCHED


def test_a_report_signed_by_somebody_else_is_not_taken_for_ours(
    key: str, settings: LazySettings
) -> None:
    settings.PROOF_KEY = secrets.token_urlsafe(50)
    for filed in filed_forms():
        assert verify(filed, key) == (Verdict.OTHER_KEY, public_key())


@given(some.binary(max_size=300))
def test_whatever_is_not_a_report_is_called_so(content: bytes) -> None:
    assert verify(content, "0" * 64)[0] is Verdict.UNSIGNED


@pytest.mark.parametrize(
    "content",
    [
        b'{"proof": {}, "signature": 5}',
        b'{"proof": {}, "signature": {"public_key": "zz", "value": "?"}}',
        b"[" * 5_000,
        b"{" + b'"a":[' * 5_000,
        b"signature,Ed25519," + b"0" * 64 + b",AAAA\n",
    ],
)
def test_a_broken_report_is_refused_without_a_crash(content: bytes) -> None:
    assert verify(content, "0" * 64)[0] in (Verdict.UNSIGNED, Verdict.CHANGED)


def test_nothing_is_signed_without_a_key(settings: LazySettings) -> None:
    for short in ("", "short"):
        settings.PROOF_KEY = short
        with pytest.raises(NoProofKey, match="PROOF_KEY"):
            signed_json(REPORT)


def test_the_canonical_form_depends_on_nothing_but_the_content() -> None:
    assert canonical({"b": 1, "a": "ä"}) == b'{"a":"\\u00e4","b":1}'

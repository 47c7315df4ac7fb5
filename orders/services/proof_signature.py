"""The shop's signature under a filed report: anybody may check it, only the shop can make it.

Ed25519 and not a shared secret: whoever could check an HMAC could also forge one. In a JSON report
the signature stands beside the report and covers its canonical form; in CSV and HTML it is the
last line and covers every byte before it.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

_ALGORITHM = "Ed25519"
_LABEL = b"soldonce proof key v1\n"
_SHORTEST_KEY = 32
# Exactly what we write: anything more in that line could be read as part of the report.
_LAST_LINE = re.compile(
    rb"(?P<body>.*\n)(?:signature,Ed25519,(?P<key>[0-9a-f]{64}),(?P<value>[A-Za-z0-9+/]{86}==)"
    rb"|<!-- signature Ed25519 (?P<html_key>[0-9a-f]{64}) (?P<html_value>[A-Za-z0-9+/]{86}==) -->)"
    rb"\n",
    re.DOTALL,
)


class NoProofKey(Exception):
    """PROOF_KEY is not set, or too short to be a secret: nothing can be signed."""


class Verdict(StrEnum):
    UNTOUCHED = "untouched, signed with this key"
    OTHER_KEY = "untouched, but signed with another key"
    CHANGED = "CHANGED after it was signed"
    UNSIGNED = "not a signed report"


@dataclass(frozen=True, slots=True)
class Signature:
    """``public_key`` is hexadecimal, ``value`` base64."""

    public_key: str
    value: str


def sign(content: bytes) -> Signature:
    """Raises NoProofKey."""
    key = _private_key()
    return Signature(_hex(key.public_key()), base64.b64encode(key.sign(content)).decode())


def public_key() -> str:
    """What others need to check our reports, hexadecimal. Raises NoProofKey."""
    return _hex(_private_key().public_key())


def signed_json(report: dict[str, Any]) -> bytes:
    """Raises NoProofKey."""
    signature = sign(canonical(report))
    stamp = {"algorithm": _ALGORITHM, "public_key": signature.public_key, "value": signature.value}
    return json.dumps({"proof": report, "signature": stamp}, indent=1).encode() + b"\n"


def signed_lines(content: bytes, line: str) -> bytes:
    """``content`` must end with a line break; ``line`` has a place {} for the signature's words,
    joined by ``,`` in CSV and by blanks elsewhere. Raises NoProofKey."""
    signature = sign(content)
    separator = "," if line == "{}" else " "
    words = separator.join(["signature", _ALGORITHM, signature.public_key, signature.value])
    return content + line.format(words).encode() + b"\n"


def canonical(report: dict[str, Any]) -> bytes:
    """One way to write a report: sorted names, no blanks, ASCII. It holds no fractions."""
    return json.dumps(report, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def verify(filed: bytes, trusted_key: str) -> tuple[Verdict, str]:
    """What became of a filed report, and the public key that signed it ("" if there is none)."""
    content, signature = _taken_apart(filed)
    if signature is None:
        return Verdict.UNSIGNED, ""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        value = base64.b64decode(signature.value, validate=True)
        if base64.b64encode(value).decode() != signature.value:
            return Verdict.CHANGED, signature.public_key
        key.verify(value, content)
    except (InvalidSignature, ValueError):
        return Verdict.CHANGED, signature.public_key
    ours = signature.public_key == trusted_key.strip().lower()
    return (Verdict.UNTOUCHED if ours else Verdict.OTHER_KEY), signature.public_key


def _taken_apart(filed: bytes) -> tuple[bytes, Signature | None]:
    if filed.lstrip()[:1] == b"{":
        return _from_json(filed)
    match = _LAST_LINE.fullmatch(filed)
    if match is None:
        return b"", None
    key, value = match["key"] or match["html_key"], match["value"] or match["html_value"]
    return match["body"], Signature(key.decode(), value.decode())


def _from_json(filed: bytes) -> tuple[bytes, Signature | None]:
    try:
        document = json.loads(filed, object_pairs_hook=_once)
        stamp = document["signature"]
        if set(document) != {"proof", "signature"} or stamp["algorithm"] != _ALGORITHM:
            return b"", None
        if set(stamp) != {"algorithm", "public_key", "value"}:
            return b"", None
        signature = Signature(str(stamp["public_key"]), str(stamp["value"]))
        return canonical(document["proof"]), signature
    except (ValueError, KeyError, TypeError, RecursionError):
        return b"", None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that comes twice would be read one way by us and another way by others."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name comes twice.")
    return found


def _private_key() -> Ed25519PrivateKey:
    secret = settings.PROOF_KEY
    if len(secret) < _SHORTEST_KEY:
        raise NoProofKey(
            "Reports are signed with PROOF_KEY, and it is not set or shorter than "
            f"{_SHORTEST_KEY} characters. .env.example says how to make one."
        )
    # Any random text is a key: its digest is the 32 bytes that Ed25519 wants.
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(_LABEL + secret.encode()).digest())


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes_raw().hex()

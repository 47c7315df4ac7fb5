"""A small task for a person's browser, so that a script has to work for each person that it plays.

The server derives the answer from its own secret and from the person's token, and keeps nothing: a
client puzzle (A. Juels, J. Brainard: "Client Puzzles: A Cryptographic Countermeasure Against
Connection Depletion Attacks", NDSS 1999), searched by hashing as in Hashcash (A. Back, 2002). It is
as good as the token that it is made of: for one person, and until that is too old.
"""

import hashlib
import secrets
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from shop.flash_sales.models import FlashSale
from shop.flash_sales.tokens import TokenRefused, Why
from shop.flash_sales.visitor import Visitor

_SALT = "shop.flash_sales.challenge"
_REFUSAL = (
    "Your browser has not solved the small task of this sale. Open the door anew, and press the "
    "button when it says that it is ready."
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Which whole number below ``work``, in digits behind ``salt``, has this SHA-256 in hexadecimal
    digits?"""

    salt: str
    target: str
    work: int

    def __str__(self) -> str:
        return f"{self.salt}:{self.target}:{self.work}"


def challenge_of(token: str, work: int) -> Challenge:
    """The same for the same token, so that a reload need not solve it again. ``work``: 1 or more
    hashes at most, half as many in the mean."""
    salt, solution = _secret(token, work)
    return Challenge(salt, hashlib.sha256(f"{salt}{solution}".encode()).hexdigest(), work)


def require_solution(sale: FlashSale, visitor: Visitor) -> None:
    """Whoever shows a place has solved it before. Costs one keyed hash, and asks nobody.

    Raises TokenRefused: CHALLENGE when the solution is not the one of this token.
    """
    if not sale.challenge_work or visitor.place.seq:
        return
    _, right = _secret(visitor.token, sale.challenge_work)
    sent = visitor.solution.encode(errors="replace")
    if not secrets.compare_digest(sent, str(right).encode()):
        raise TokenRefused(Why.CHALLENGE, _REFUSAL)


def _secret(token: str, work: int) -> tuple[str, int]:
    """Two parts of one keyed hash: who knows the first knows nothing of the second."""
    digest = salted_hmac(_SALT, token, algorithm="sha256").digest()
    return digest[:16].hex(), int.from_bytes(digest[16:], "big") % work

"""Who comes to the shop, and what each of them tries. Pure data."""

import random
from dataclasses import dataclass

SCARCE_SKU = "LAMP-BEACON-ONE"

GOOD = "4242 4242 4242 4242"
GOOD_TOO = "5555 5555 5555 4444"
DECLINED = "4000 0000 0000 0002"
POOR = "4000 0000 0000 9995"
SLOW = "9999 0000 0000 0012"
SILENT_BEFORE = "9999 0000 0000 0020"
SILENT_AFTER = "9999 0000 0000 0038"
RATE_LIMITED = "9999 0000 0000 0046"
FAILS_AFTER = "9999 0000 0000 0061"
WANTS_A_CHECK = "4000 0027 6000 3184"


@dataclass(frozen=True, slots=True)
class Plan:
    """One shopper's visit. ``clicks``: how often the pay button is hit at the same moment.
    ``at_the_bank``: what is said there, if the bank wants to see the shopper."""

    kind: str
    basket: tuple[tuple[str, int], ...]
    card: str = GOOD
    clicks: int = 1
    then_card: str = ""
    at_the_bank: str = "yes"
    then_cancels: bool = False


def plans(skus: list[str], *, scale: int = 1, seed: int = 20) -> list[Plan]:
    """The visits in the order in which they happen; ``scale`` multiplies the crowd."""
    chance = random.Random(seed)
    ordinary = [sku for sku in sorted(skus) if sku != SCARCE_SKU]

    def basket() -> tuple[tuple[str, int], ...]:
        chosen = chance.sample(ordinary, k=chance.choice([1, 1, 2, 3]))
        return tuple((sku, chance.choice([1, 1, 1, 2])) for sku in chosen)

    crowd = [
        *(Plan("pays", basket(), chance.choice([GOOD, GOOD_TOO])) for _ in range(34)),
        *(Plan("double-clicks", basket(), clicks=2) for _ in range(8)),
        *(Plan("clicks five times", basket(), clicks=5) for _ in range(2)),
        *(Plan("card declined", basket(), DECLINED) for _ in range(4)),
        *(Plan("too little money", basket(), POOR) for _ in range(2)),
        *(
            Plan("declined, then another card", basket(), DECLINED, then_card=GOOD)
            for _ in range(3)
        ),
        *(Plan("slow bank", basket(), SLOW) for _ in range(2)),
        *(Plan("bank silent, nothing moved", basket(), SILENT_BEFORE) for _ in range(2)),
        *(Plan("bank silent, money moved", basket(), SILENT_AFTER) for _ in range(2)),
        *(Plan("bank fails, money moved", basket(), FAILS_AFTER) for _ in range(2)),
        *(Plan("bank too busy", basket(), RATE_LIMITED) for _ in range(2)),
        *(Plan("the bank's check, it is me", basket(), WANTS_A_CHECK) for _ in range(2)),
        *(
            Plan(
                "the bank's check, not me",
                basket(),
                WANTS_A_CHECK,
                then_card=GOOD,
                at_the_bank="no",
            )
            for _ in range(2)
        ),
        *(Plan("pays, then cancels", basket(), then_cancels=True) for _ in range(4)),
        *(Plan("wants more than there is", ((SCARCE_SKU, 12), *basket())) for _ in range(4)),
    ]
    crowd = [plan for plan in crowd for _ in range(scale)]
    crowd += [Plan("wants the last ones", ((SCARCE_SKU, 1),)) for _ in range(14)]
    chance.shuffle(crowd)
    return crowd

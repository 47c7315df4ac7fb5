"""Who comes to a rehearsal, and what each of them will do. Pure data."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Intent(StrEnum):
    """What a person does with a ticket. FORGER never gets one: the token is changed on the way.
    HOUSEHOLD: several visitors with one address and one mailbox, which may have one unit."""

    PAYS = "pays"
    DECLINED = "card declined"
    ABANDONS = "abandons"
    GIVES_BACK = "gives back"
    FORGER = "forger"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Shares are from 0 to 1, of the whole crowd. ``spread_seconds``: from the start of the sale to
    the last one's first click. ``patience_seconds``: who has no final answer by then has none.
    ``challenge``: hashes that each person does at most."""

    units: int = 100
    crowd: int = 5_000
    declines: float = 0.1
    abandon: float = 0.1
    double_click: float = 0.2
    bots: float = 0.02
    hold_seconds: int = 20
    rate: int = 50
    challenge: int = 0
    spread_seconds: float = 3.0
    patience_seconds: float = 300.0
    seed: int = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """``clicks``: how often each button is hit at the same moment. ``after_seconds``: when, counted
    from the start. ``home``: who have the same one are one household."""

    number: int
    intent: Intent
    clicks: int
    after_seconds: float
    home: int


HOUSEHOLD_OF = 10


def plans(wishes: Wishes) -> list[Plan]:
    """The crowd, the same for the same wishes."""
    dice = random.Random(wishes.seed)
    intents = _intents(wishes)
    dice.shuffle(intents)
    households = 0
    crowd = []
    for number, intent in enumerate(intents, start=1):
        home = number
        if intent is Intent.HOUSEHOLD:
            home = -(1 + households // HOUSEHOLD_OF)
            households += 1
        clicks = 2 if dice.random() < wishes.double_click else 1
        crowd.append(Plan(number, intent, clicks, dice.uniform(0, wishes.spread_seconds), home))
    return crowd


def _intents(wishes: Wishes) -> list[Intent]:
    def share(part: float) -> int:
        return round(wishes.crowd * part)

    forgers = share(wishes.bots / 2)
    walking = share(wishes.abandon)
    others = [
        *([Intent.FORGER] * forgers),
        *([Intent.HOUSEHOLD] * (share(wishes.bots) - forgers)),
        *([Intent.DECLINED] * share(wishes.declines)),
        *([Intent.ABANDONS] * (walking - walking // 3)),
        *([Intent.GIVES_BACK] * (walking // 3)),
    ]
    return others + [Intent.PAYS] * (wishes.crowd - len(others))

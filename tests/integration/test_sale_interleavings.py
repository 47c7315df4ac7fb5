"""Whoever does what at the same moment, and wherever a process is killed: each unit is once.

``SALE_SEQUENCES`` plays begin with ``SALE_SEED``; the one that fails is played again by its seed.
"""

import os

import pytest

from shop.flash_sales.replies import Said
from tests.integration.sale_play import DEEDS, Plays

pytestmark = pytest.mark.django_db(transaction=True)

SEQUENCES = int(os.environ.get("SALE_SEQUENCES", "40"))
SEED = int(os.environ.get("SALE_SEED", "1"))

# Every sale has begun, and nobody sends a false proof.
NEVER = (Said.TOO_EARLY, Said.REFUSED)


@pytest.mark.timeout(120 + 10 * SEQUENCES)
def test_no_interleaving_loses_a_unit_or_sells_one_twice() -> None:
    plays = Plays()
    with plays.open():
        for seed in range(SEED, SEED + SEQUENCES):
            plays.play(seed, DEEDS)
    print(dict(plays.counts))  # noqa: T201 - with -s, how often what happened

    if SEQUENCES >= 20:
        happened = ("killed", "waited for a lock", *Said)
        assert all(plays.counts[what] for what in happened if what not in NEVER), plays.counts


def test_the_same_seed_is_the_same_play() -> None:
    plays = Plays()
    told = []
    with plays.open():
        for seed in (3, 4, 3, 4):
            plays.play(seed, DEEDS)
            told.append(plays.told())

    assert told[0] == told[2]
    assert told[1] == told[3]
    assert told[0] != told[1]

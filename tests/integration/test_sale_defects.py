"""The check of interleavings is worth something: each defect that is put in is found."""

import os

import pytest

from ops.lifecycle.errors import Broken
from tests.integration.sale_defects import DEFECTS
from tests.integration.sale_play import Plays

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN = int(os.environ.get("W", "60"))


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_is_found(name: str) -> None:
    plays = Plays()
    with DEFECTS[name](), plays.open():
        for seed in range(1, 1 + WITHIN):
            try:
                plays.play(seed, 40)
            except Broken as broken:
                print("FOUND", name, seed, str(broken).splitlines()[0])
                return
    raise AssertionError(name)

"""The promises under random schedules, and proof that the check would notice a broken protocol."""

from collections import Counter

import pytest

from tests.contract.families import FAMILIES, Family, family
from tests.contract.mutants import MUTANTS, Inject
from tests.contract.tenure import Broken
from tests.contract.world import World

_SCHEDULES = 8_000
_MUTANT_SCHEDULES = 6_000


def test_no_schedule_breaks_a_promise() -> None:
    counts: Counter[str] = Counter()
    for seed in range(_SCHEDULES):
        world = World(seed)
        try:
            world.run()
        except Broken as broken:
            raise AssertionError(f"seed {seed} ({world.family.name}): {broken}") from broken
        counts.update(vars(world.counts))
    assert counts["leases"] > _SCHEDULES, "the schedules hardly ever let anybody in"
    assert counts["extensions"] > _SCHEDULES, "leases were hardly ever extended"
    assert counts["second_rounds"] > _SCHEDULES / 5, "the numbers hardly ever differed"


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_every_family_lets_somebody_in(kind: Family) -> None:
    leases = 0
    for seed in range(40):
        world = World(seed, kind)
        world.run()
        leases += world.counts.leases
    assert leases > 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_protocol_is_noticed(mutant: Inject, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    promise, name = MUTANTS[mutant]
    with pytest.raises(Broken, match=promise):
        for seed in range(_MUTANT_SCHEDULES):
            World(seed, family(name)).run()


def test_the_same_seed_is_the_same_schedule() -> None:
    for seed in range(len(FAMILIES)):
        first, second = World(seed), World(seed)
        first.run()
        second.run()
        assert first.counts == second.counts
        assert first.now == second.now
        assert [t.lease.token for t in first.tenures] == [t.lease.token for t in second.tenures]

"""Nothing piles up: not on the nodes, not in the process."""

from tests.contract.conftest import MakeClient
from tests.contract.growth import measure_growth
from tests.contract.redis_nodes import PREFIX, Nodes
from tests.contract.waiting import wait_until

_CYCLES = 20_000


def test_a_thousand_keys_are_forgotten_after_one_retention(
    nodes: Nodes, client: MakeClient
) -> None:
    backend = client(nodes, max_ttl=0.5, retention=3.0)
    for number in range(1000):
        assert backend.release(backend.acquire(f"order:{number}", ttl=0.5, holder="worker 1"))
    kept = [key for node in nodes for key in node.keys("*")]
    assert len(kept) > 1000, "counters ended too soon"
    marker = f"{PREFIX}:lock-node".encode()
    wait_until(lambda: {key for node in nodes for key in node.keys("*")} == {marker}, seconds=4.0)


def test_nothing_grows_over_many_cycles() -> None:
    growth = measure_growth(_CYCLES)
    assert growth.nothing, growth

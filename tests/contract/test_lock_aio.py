"""The async client against real nodes, and against the other client."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tasks.errors import LeaseBusy, LeaseLost, QuorumUnavailable
from tasks.locks.aio import alock
from tasks.locks.aio_client import AsyncRedlock
from tasks.locks.plain import lock
from tests.contract.conftest import MakeClient
from tests.contract.redis_nodes import PREFIX, Nodes

KEY = "order:1"
_NODE_TIMEOUT = 0.25


@asynccontextmanager
async def async_client(nodes: Nodes) -> AsyncIterator[AsyncRedlock]:
    backend = AsyncRedlock(nodes.urls, prefix=PREFIX, max_ttl=2.0, node_timeout=_NODE_TIMEOUT)
    try:
        await _warm(backend)
        yield backend
    finally:
        await backend.aclose()


async def _warm(backend: AsyncRedlock) -> None:
    """Connected to a majority; on a busy machine that takes more than one attempt's time."""
    async with asyncio.timeout(10):
        while True:
            with suppress(QuorumUnavailable):
                await backend.release(await backend.acquire("warm", ttl=2.0))
                return


async def until(fact: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for something that happens elsewhere, with an end."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)


def test_sync_and_async_holders_exclude_each_other(nodes: Nodes, client: MakeClient) -> None:
    threads_own = client(nodes)

    async def story() -> None:
        async with async_client(nodes) as backend:
            async with alock(KEY, ttl=1.0, backend=backend) as held:
                with pytest.raises(LeaseBusy):
                    threads_own.acquire(KEY, ttl=1.0)
            # A release is over when a majority has it, so the next one may have to look twice.
            with lock(KEY, ttl=1.0, wait=5.0, backend=threads_own) as lease:
                assert lease.token > held.token
                with pytest.raises(LeaseBusy):
                    await backend.acquire(KEY, ttl=1.0)
            async with alock(KEY, ttl=1.0, wait=5.0, backend=backend) as again:
                assert again.token > lease.token
            await until(lambda: nodes.slots() == [])

    asyncio.run(story())


def test_of_many_tasks_one_at_a_time_holds_the_key(nodes: Nodes) -> None:
    async def story() -> list[tuple[int, bool]]:
        inside = 0
        seen: list[tuple[int, bool]] = []

        async def section(backend: AsyncRedlock) -> None:
            nonlocal inside
            async with alock(KEY, ttl=2.0, wait=20.0, backend=backend) as held:
                inside += 1
                seen.append((held.token, inside == 1))
                await asyncio.sleep(0.001)
                inside -= 1

        async with async_client(nodes) as one, async_client(nodes) as two:
            await asyncio.gather(*(section(backend) for backend in [one, two] * 8))
        return seen

    seen = asyncio.run(story())
    assert len(seen) == 16
    assert all(alone for _, alone in seen)
    tokens = [token for token, _ in seen]
    assert tokens == sorted(set(tokens))


def test_a_hung_node_costs_next_to_nothing(five_nodes: Nodes) -> None:
    async def story() -> list[float]:
        times = []
        async with async_client(five_nodes) as backend:
            five_nodes[0].hang()
            for number in range(20):
                began_at = time.monotonic()
                lease = await backend.acquire(f"order:{number}", ttl=1.0)
                times.append(time.monotonic() - began_at)
                assert await backend.release(lease)
            five_nodes[0].go_on()
            await until(lambda: five_nodes.slots() == [])
        return times

    times = asyncio.run(story())
    # Two cores are shared with five servers, so the median is looked at and not the worst.
    assert sorted(times)[len(times) // 2] < 0.005


def test_a_dead_majority_is_told_promptly_and_never_as_busy(nodes: Nodes) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend:
            nodes[0].kill()
            nodes[1].kill()
            began_at = time.monotonic()
            with pytest.raises(QuorumUnavailable, match=r"Only \d of 3 lock nodes"):
                await backend.acquire(KEY, ttl=1.0)
            assert time.monotonic() - began_at < 4 * _NODE_TIMEOUT
            await until(lambda: nodes[2].slots() == [], seconds=1.0)

    asyncio.run(story())


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_cancelled_acquire_leaves_nothing_behind(nodes: Nodes, steps: int) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend:
            attempt = asyncio.create_task(backend.acquire(KEY, ttl=2.0))
            for _ in range(steps):
                await asyncio.sleep(0)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            # One more round on the same connections comes after the RELEASE of the first.
            async with alock(KEY, ttl=1.0, wait=0.5, backend=backend):
                pass
            await until(lambda: nodes.slots() == [])

    asyncio.run(story())


def test_a_cancelled_acquire_on_hung_nodes_is_undone_when_they_go_on(nodes: Nodes) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend:
            nodes[0].hang()
            nodes[1].hang()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await backend.acquire(KEY, ttl=2.0)
            nodes[0].go_on()
            nodes[1].go_on()
            await until(lambda: nodes.slots() == [], seconds=1.0)

    asyncio.run(story())


def test_a_cancelled_section_gives_its_key_back(nodes: Nodes) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend:
            inside = asyncio.Event()

            async def section() -> None:
                async with alock(KEY, ttl=2.0, backend=backend):
                    inside.set()
                    await asyncio.sleep(10)

            task = asyncio.create_task(section())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: nodes.slots() == [], seconds=1.0)

    asyncio.run(story())


def test_a_long_async_section_keeps_its_lease(nodes: Nodes, client: MakeClient) -> None:
    rival = client(nodes)
    rival.release(rival.acquire("warm", ttl=1.0))

    async def story() -> None:
        async with async_client(nodes) as backend, alock(KEY, ttl=0.9, backend=backend) as held:
            for _ in range(10):
                await asyncio.sleep(0.2)
                held.ensure()
                with pytest.raises(LeaseBusy):
                    rival.acquire(KEY, ttl=0.3)

    asyncio.run(story())


def test_a_stolen_lease_is_signalled_to_async_work(nodes: Nodes) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend, alock(KEY, ttl=0.6, backend=backend) as held:
            for node in nodes:
                with node.client() as plain:
                    plain.set(f"{PREFIX}:lease:{{{KEY}}}", "somebody else", px=500)
            async with asyncio.timeout(0.6):
                await held.lost.wait()
            with pytest.raises(LeaseLost):
                held.ensure()

    asyncio.run(story())


def test_a_blocked_loop_loses_its_lease_and_knows(nodes: Nodes, client: MakeClient) -> None:
    rival = client(nodes)

    async def story() -> None:
        async with async_client(nodes) as backend, alock(KEY, ttl=0.2, backend=backend) as held:
            time.sleep(0.3)  # what must not be done is what is tested
            with lock(KEY, ttl=1.0, wait=5.0, backend=rival) as newer:
                assert newer.token > held.token
                with pytest.raises(LeaseLost):
                    held.ensure()

    asyncio.run(story())


def test_a_restarted_node_is_connected_again(nodes: Nodes) -> None:
    async def story() -> None:
        async with async_client(nodes) as backend:
            await backend.release(await backend.acquire(KEY, ttl=1.0))
            nodes[0].restart_empty()
            for _ in range(50):
                lease = await backend.acquire(KEY, ttl=1.0)
                assert await backend.release(lease)
                await asyncio.sleep(0.005)
            # It sits out its quarantine, so the other two decide; then one of those goes.
            nodes[1].kill()
            with pytest.raises(QuorumUnavailable, match="may vote again"):
                await backend.acquire(KEY, ttl=1.0)

    asyncio.run(story())

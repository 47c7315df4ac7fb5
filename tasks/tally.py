"""Numbers counted in memory, cheap enough to stand beside every lock, written out now and then.

One write into a metrics file that several processes share costs some microseconds; a section of
300 µs would need twenty of them. A count in memory costs a tenth of one.
"""

from bisect import bisect_left
from collections.abc import Sequence


class Tally:
    """Observations since the last ``take``, sorted into buckets. Guarded by its owner's lock."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds``: the upper ends of the buckets, rising; one more takes all that is larger."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def take(self) -> tuple[list[int], float]:
        """What was counted, per bucket (not summed up) and in total; then begins anew."""
        taken = self.counts, self.total
        self.counts, self.total = [0] * len(self.counts), 0.0
        return taken


class Families:
    """Bounded names: those declared, then the first ``room`` others that are seen.

    A metric with a name per order number would eat the memory of whoever collects it.
    """

    OTHER = "other"

    def __init__(self, room: int) -> None:
        self._names: dict[str, str] = {}
        self._room = room

    def declare(self, name: str) -> None:
        self._names[name] = name

    def of(self, key: str) -> str:
        """The part of the key before its first colon, if there is room for it."""
        name = key.partition(":")[0]
        known = self._names.get(name)
        if known is not None:
            return known
        if self._room <= 0:
            return self.OTHER
        self._room -= 1
        self._names[name] = name
        return name

"""Rounds that nobody waits for: their answers are read by the rounds that follow."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.locks.messages import Reply
from tasks.locks.rounds import VoteRound


@dataclass(slots=True)
class Behind:
    """Monotonic seconds."""

    machine: VoteRound
    deadline: float
    told: Callable[[bool], None]


class RoundsBehind:
    """By the number of the round. Used by one thread at a time."""

    def __init__(self) -> None:
        self.late: list[tuple[int, int, Reply]] = []
        """Round, node's index and reply, as they came in; nodes add to it."""
        self.ended: list[Behind] = []
        """Those that are over, for whoever tells of them."""
        self._open: dict[int, Behind] = {}

    def add(self, round_id: int, behind: Behind) -> None:
        self._open[round_id] = behind
        self._look(round_id, behind)

    def read_late(self) -> None:
        """Pass on what came in; nobody wants the answers to other rounds."""
        for round_id, node, reply in self.late:
            behind = self._open.get(round_id)
            if behind is not None:
                behind.machine.take(node, reply)
                self._look(round_id, behind)
        self.late.clear()

    def give_up(self, now: float) -> None:
        # In the order in which they began, all with the same patience.
        while self._open:
            round_id, behind = next(iter(self._open.items()))
            if now < behind.deadline:
                return
            behind.machine.give_up()
            self._look(round_id, behind)

    def _look(self, round_id: int, behind: Behind) -> None:
        if behind.machine.over:
            self.ended.append(self._open.pop(round_id))

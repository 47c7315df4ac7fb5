"""What a lock backend tells about its work; the metrics listen, tests may too."""

from typing import Protocol


class LockObserver(Protocol):
    def round_done(
        self,
        operation: str,
        outcome: str,
        seconds: float | None,
        *,
        second_round: bool,
        margin: int,
    ) -> None:
        """``operation``: acquire, handover (of a key that was waited for: from the first node's
        call to the last that was needed), extend, release. ``outcome``: granted, busy, no_quorum,
        lost, released, not_held. ``seconds`` is None when nobody waited for the round. ``margin``:
        grants beyond the quorum."""

    def node_answered(self, node: str, seconds: float) -> None: ...

    def node_failed(self, node: str, reason: str) -> None: ...


class SilentObserver:
    def round_done(
        self,
        operation: str,
        outcome: str,
        seconds: float | None,
        *,
        second_round: bool,
        margin: int,
    ) -> None:
        return

    def node_answered(self, node: str, seconds: float) -> None:
        return

    def node_failed(self, node: str, reason: str) -> None:
        return

"""What a relay tells about its work; the metrics listen, tests may too."""

from typing import Protocol


class RelayObserver(Protocol):
    def batch(self, claimed: int, published: int, confirm_seconds: float) -> None:
        """One batch is settled and its rows are deleted. ``confirm_seconds``: from the first byte
        sent to the last confirm. Not called when there was nothing to claim."""

    def refused(self, reason: str) -> None:
        """One message was not taken: ``QueueFull`` (kept), or the kind of its dead letter."""

    def blocked(self, is_blocked: bool) -> None:
        """RabbitMQ's alarm holds our connection, or holds it no more. Told once per change."""


class SilentRelayObserver:
    def batch(self, claimed: int, published: int, confirm_seconds: float) -> None:
        return

    def refused(self, reason: str) -> None:
        return

    def blocked(self, is_blocked: bool) -> None:
        return


SILENT_RELAY_OBSERVER = SilentRelayObserver()

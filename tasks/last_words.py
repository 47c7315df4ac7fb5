"""What the main process of a worker saw when a message killed the process that handled it.

The broker counts such deaths and takes the message out in the end, but it knows neither worker nor
signal. The last word about each message is kept in the cache, which may lose it: then the dead
letter says less, and that is all.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request
from django.core.cache import cache

from tasks.delivery import Delivery

_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class LastWords:
    worker: str
    error: str

    def signed(self, delivery: Delivery) -> Delivery:
        return replace(delivery, worker=self.worker)


def about(message_id: str) -> LastWords | None:
    found = cache.get(_key(message_id))
    return LastWords(**found) if found else None


class ObservedRequest(Request):
    """Celery's view of one message in a worker's main process; deaths are noted, nothing else."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        # The pool wraps what came from a child, with its traceback.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError | SystemExit):
            self._note(f"{type(error).__name__}: {error}")
        return super().on_failure(exc_info, *args, **kwargs)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        if not soft:
            self._note(f"{TimeLimitExceeded.__name__}: it was killed after {timeout:.0f} s.")
        return super().on_timeout(soft, timeout)

    def _note(self, error: str) -> None:
        words = LastWords(str(self.hostname), error)
        cache.set(_key(str(self.id)), asdict(words), timeout=_KEPT_SECONDS)


def _key(message_id: str) -> str:
    return f"last_words:{message_id}"

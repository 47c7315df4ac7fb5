"""Our own lock, made from the settings as the application makes it, metrics included."""

from collections.abc import Sequence

import django

from ops.bench.contenders.base import TTL_SECONDS, Contender


class Backend(Contender):
    """The backend alone: a fenced acquire, a release."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        django.setup()
        from tasks.locks.chosen import get_backend  # noqa: PLC0415 - needs the settings

        self._backend = get_backend()

    def acquire(self, key: str, timeout: float) -> object | None:
        return self._backend.acquire(key, ttl=TTL_SECONDS)

    def release(self, held: object) -> None:
        self._backend.release(held)  # type: ignore[arg-type]  # what acquire gave

    def facts(self) -> dict[str, float]:
        return {"metrics on": float(getattr(self._backend, "_observer", None) is not None)}


class Guard(Contender):
    """``single_flight``: the backend with waiting and renewal."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__(urls)
        django.setup()
        from tasks.errors import LeaseBusy, QuorumUnavailable  # noqa: PLC0415 - needs the settings
        from tasks.guard import single_flight  # noqa: PLC0415 - needs the settings

        self._refusals = (LeaseBusy, QuorumUnavailable)
        self._section = single_flight

    def acquire(self, key: str, timeout: float) -> object | None:
        section = self._section(key, ttl=TTL_SECONDS, wait=timeout)
        try:
            section.__enter__()
        except self._refusals:
            return None
        return section

    def release(self, held: object) -> None:
        held.__exit__(None, None, None)  # type: ignore[attr-defined]  # what acquire gave

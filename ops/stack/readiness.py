"""When a part counts as doing its work, and when waiting for it is in vain."""

import time
from functools import partial

from ops.stack import environment, postgres, probes
from ops.stack.parts import REDIS, WORKER_QUEUES
from ops.stack.state import State

# A part that keeps ending right after its start is tried again for ever while the stack runs, but a
# person who waits for the start should hear of it.
FAILING_SECONDS = 6


def probe_of(part: str, state: State) -> probes.Probe | None:
    """The question to ask of a part; None when nobody but the supervisor can tell."""
    values, ports = state.environment, state.ports
    if part in REDIS:
        return partial(probes.redis_server, environment.redis_url(ports[part], state.credentials))
    if part in WORKER_QUEUES:
        queue = WORKER_QUEUES[part]
        return partial(probes.queue_has_consumer, values["BROKER_URL"], queue)
    simple: dict[str, probes.Probe] = {
        "postgres": partial(postgres.probe, ports["postgres"], state.credentials),
        "rabbitmq": partial(_broker, values["BROKER_URL"], values["BROKER_API_URL"]),
        "sandbox": partial(probes.http, environment.http(ports["sandbox"])),
        "web": partial(probes.http, values["SITE_URL"]),
        "flower": partial(probes.http, values["FLOWER_URL"]),
    }
    return simple.get(part)


def _broker(url: str, api_url: str) -> None:
    probes.broker(url)
    probes.broker_api(api_url)


class Failing:
    """Adds up how long a part was seen waiting for its next try."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._seen_at = time.monotonic()

    def too_long(self, state: str) -> bool:
        now = time.monotonic()
        if state in {"BACKOFF", "EXITED"}:
            self._seconds += now - self._seen_at
        self._seen_at = now
        return self._seconds > FAILING_SECONDS

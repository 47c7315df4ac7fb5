"""Whoever stops a process waits longer than the process takes: else every deploy is a kill -9."""

from pathlib import Path

import pytest
from django.conf import settings
from ruamel.yaml import YAML

from ops.stack import parts
from ops.stack.layout import Layout

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = YAML(typ="safe").load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
# Leaving the broker, ending the pool: what follows on the bound, on a machine that is not idle.
LAST_STEPS_SECONDS = 3


def seconds_of(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


@pytest.mark.parametrize("name", parts.WORKER_QUEUES)
def test_a_worker_stops_within_a_bound_that_everybody_waits_for(name: str) -> None:
    bound = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + LAST_STEPS_SECONDS
    here = parts.build(name, Layout(Path("/nowhere")), dict.fromkeys(parts.PORT_NAMES, 1))
    there = COMPOSE["services"][name]

    assert here.environment["REMAP_SIGTERM"] == "SIGQUIT"
    assert there["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert here.stop_seconds >= bound
    assert seconds_of(there["stop_grace_period"]) >= bound


def test_a_relay_stops_within_a_bound_that_everybody_waits_for() -> None:
    relay = parts.build("relay", Layout(Path("/nowhere")), dict.fromkeys(parts.PORT_NAMES, 1))

    assert relay.stop_seconds > settings.RELAY_CONFIRM_TIMEOUT_SECONDS
    assert (
        seconds_of(COMPOSE["services"]["relay"]["stop_grace_period"])
        > settings.RELAY_CONFIRM_TIMEOUT_SECONDS
    )

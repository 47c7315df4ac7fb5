"""From the outbox through each broker to the handler, with a failure on the way."""

import pytest
from django.conf import LazySettings

from tasks.errors import Permanent
from tasks.event_models import EventMessage, EventReceipt
from tasks.events.chosen import chosen_address
from tasks.events.consumer import EventConsumer
from tasks.events.envelope import Event
from tasks.events.handling import Done
from tests.contract.event_brokers import GROUP
from tests.contract.event_rig import EventRig
from tests.contract.waiting import wait_until
from tests.integration.event_stream import consuming, deducted, drain

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_event_is_handled_once_and_the_one_that_failed_after_its_cause_is_mended(
    event_rig: EventRig, settings: LazySettings
) -> None:
    settings.EVENT_SINK_URL = event_rig.url
    for order_id in (1, 2, 3, 1, 2, 3, 1):
        deducted(order_id)
    drain()
    assert not EventMessage.objects.exists()
    seen: list[tuple[str, int]] = []

    def broken(event: Event) -> None:
        if (event.subject, event.sequence) == ("order:2", 1):
            raise Permanent("not yet")
        mended(event)

    def mended(event: Event) -> None:
        seen.append((event.subject, event.sequence))

    with consuming(GROUP, broken) as (consumer, _):
        wait_until(lambda: sum(consumer.counts.values()) == 7, seconds=60)
    assert consumer.counts[Done.DEAD] == 1
    assert [number for subject, number in seen if subject == "order:1"] == [1, 2, 3]
    assert len(seen) == len(set(seen)) == 6

    counts = EventConsumer(chosen_address(), GROUP, mended).redrive()

    assert counts[Done.HANDLED] == 1
    assert seen[-1] == ("order:2", 1)
    assert EventReceipt.objects.filter(outcome="handled").count() == 7

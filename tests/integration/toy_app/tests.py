"""``./dev test`` runs them from tests/integration/test_writing_a_task.py."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import transaction

from tasks.guard import single_flight
from tasks.models import OutboxMessage
from tests.integration.toy_app import services
from tests.integration.toy_app.models import Gift, Member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gift() -> Gift:
    return services.give(Member.objects.create(), points=5)


@pytest.fixture
def cards(tmp_path: Path, settings: LazySettings) -> Path:
    settings.TOY_PRINTER_DIR = str(tmp_path)
    return tmp_path


def grant(gift: Gift) -> None:
    with single_flight(gift.subject, wait=5) as lease:
        services.grant_gift(gift.pk, lease)


def print_card(gift: Gift) -> None:
    with single_flight(gift.subject, wait=5) as lease:
        services.print_card(gift.pk, lease)


def test_a_gift_delivered_twice_is_granted_once(gift: Gift) -> None:
    grant(gift)
    grant(gift)

    assert Member.objects.get().points == 5
    tasks = OutboxMessage.objects.order_by("enqueued_at").values_list("task", flat=True)
    assert list(tasks) == ["toy_app.grant_gift", "toy_app.print_card"]


def test_a_gift_that_was_not_committed_has_no_message() -> None:
    class ChangedMyMindError(Exception):
        pass

    with pytest.raises(ChangedMyMindError), transaction.atomic():
        services.give(Member.objects.create(), points=5)
        raise ChangedMyMindError
    assert not OutboxMessage.objects.exists()


def test_a_card_that_was_printed_but_not_written_down_is_not_printed_again(
    gift: Gift, cards: Path
) -> None:
    grant(gift)
    print_card(gift)
    Gift.objects.update(status=Gift.Status.GRANTED)  # as if the worker had died in between

    print_card(gift)

    assert Gift.objects.get().status == Gift.Status.PRINTED
    assert len(list(cards.iterdir())) == 1


def test_a_gift_whose_message_was_lost_is_sent_on(gift: Gift) -> None:
    OutboxMessage.objects.all().delete()

    assert services.resume_gifts(after_seconds=0) == 1
    assert OutboxMessage.objects.get().kwargs == {"gift_id": gift.pk}

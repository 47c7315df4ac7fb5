"""What happens to a gift: each function may run any number of times."""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from tasks import fencing
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.sweeping import in_hand, overdue, sweep
from tests.integration.toy_app import printer, task_names
from tests.integration.toy_app.models import Gift, Member


def give(member: Member, points: int) -> Gift:
    with transaction.atomic():
        gift = Gift.objects.create(member=member, points=points)
        _send_on(gift)
    return gift


def grant_gift(gift_id: int, lease: HeldLease) -> None:
    fencing.claim(Gift, gift_id, lease.token)
    with transaction.atomic():
        granted = fencing.fenced_update(
            Gift,
            gift_id,
            lease.token,
            where={"status": Gift.Status.OWED},
            status=Gift.Status.GRANTED,
            changed_at=Now(),
        )
        if not granted:
            return  # an earlier delivery of this message has done it
        gift = Gift.objects.get(pk=gift_id)
        Member.objects.filter(pk=gift.member_id).update(points=F("points") + gift.points)
        _send_on(gift)


def print_card(gift_id: int, lease: HeldLease) -> None:
    fencing.claim(Gift, gift_id, lease.token)
    gift = Gift.objects.get(pk=gift_id)
    if gift.status != Gift.Status.GRANTED:
        return  # printed and written down already
    printer.print_once(str(gift.key), f"{gift.points} points")
    fencing.fenced_update(
        Gift,
        gift_id,
        lease.token,
        where={"status": Gift.Status.GRANTED},
        status=Gift.Status.PRINTED,
        changed_at=Now(),
    )


def resume_gifts(after_seconds: float) -> int:
    unfinished = Gift.objects.exclude(status=Gift.Status.PRINTED)
    return sweep(overdue(unfinished, since="changed_at", after_seconds=after_seconds), _resume)


def _resume(gift: Gift) -> bool:
    if in_hand(gift.subject):
        return False
    with transaction.atomic():
        _send_on(gift)
    return True


def _send_on(gift: Gift) -> None:
    """The message of the gift's next step."""
    task = task_names.GRANT if gift.status == Gift.Status.OWED else task_names.PRINT
    enqueue(task, {"gift_id": gift.pk}, subject=gift.subject)

"""Mails owed to the staff: the debt is a row, written with its cause; sending pays it."""

from collections.abc import Iterable

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.html import linebreaks

from orders import metrics, task_names
from orders.gateways.mailer import Attachment, Mail, send_mail
from orders.models import StaffMail
from tasks.errors import Permanent
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span
from tasks.storable import storable
from tasks.sweeping import in_hand, overdue, sweep

log = structlog.get_logger(__name__)


def owe_mail(
    recipients: Iterable[str],
    kind: StaffMail.Kind,
    *,
    cause: str,
    subject: str,
    text: str,
    attachment: Attachment | None = None,
) -> None:
    """Owe each recipient the mail, in the caller's transaction. The same cause twice is one mail.

    An attachment is taken to be text/csv.
    """
    for recipient in recipients:
        mail, is_new = StaffMail.objects.get_or_create(
            recipient=recipient,
            kind=kind,
            cause=cause,
            defaults={
                "subject": subject[:200],
                "text": text,
                "attachment_name": attachment.name if attachment else "",
                "attachment": attachment.content if attachment else b"",
            },
        )
        if is_new:
            enqueue_staff_mail(mail)


def enqueue_staff_mail(mail: StaffMail) -> None:
    enqueue(task_names.SEND_STAFF_MAIL, {"mail_id": mail.pk}, subject=mail.subject_key)


def send_staff_mail(mail_id: int, lease: HeldLease) -> None:
    """Send the mail unless that has happened, or the server will never take it.

    A crash between sending and writing it down sends it again under the same Message-ID. Raises
    Transient, OutcomeUnknown, LeaseLost.
    """
    mail = StaffMail.objects.get(pk=mail_id)
    if mail.status != StaffMail.Status.PENDING:
        return
    lease.ensure()
    try:
        with call_span("send staff mail", kind=mail.kind):
            send_mail(_letter(mail))
    except Permanent as refusal:
        _settle(mail, StaffMail.Status.REFUSED, problem=storable(str(refusal))[:300])
        log.error("staff_mail_refused", kind=mail.kind, reason=str(refusal))
        return
    # What it held is personal data that nobody needs a second time here.
    _settle(mail, StaffMail.Status.SENT, sent_at=Now(), attachment=b"")
    log.info("staff_mail_sent", kind=mail.kind)


def send_mail_again(mail_id: int) -> bool:
    """A refused mail once more; False when it is not refused."""
    with transaction.atomic():
        refused = StaffMail.objects.filter(pk=mail_id, status=StaffMail.Status.REFUSED)
        # Two people press at once: the second one finds it pending.
        if not refused.update(status=StaffMail.Status.PENDING, problem="", swept_at=None):
            return False
        enqueue_staff_mail(StaffMail.objects.get(pk=mail_id))
    return True


def resume_staff_mails() -> int:
    """Send the message again for mails that nobody has in hand; how many."""
    return sweep(stuck_staff_mails(), _resume)


def stuck_staff_mails() -> "QuerySet[StaffMail]":
    unsent = StaffMail.objects.filter(status=StaffMail.Status.PENDING)
    return overdue(unsent, since="created_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def _resume(mail: StaffMail) -> bool:
    if in_hand(mail.subject_key):
        return False
    with transaction.atomic():
        enqueue_staff_mail(mail)
        metrics.resumed(task_names.SEND_STAFF_MAIL)
    return True


def _letter(mail: StaffMail) -> Mail:
    files = (
        (Attachment(mail.attachment_name, bytes(mail.attachment), "text/csv"),)
        if mail.attachment_name
        else ()
    )
    return Mail(
        recipient=mail.recipient,
        subject=mail.subject,
        text=mail.text,
        html=linebreaks(mail.text, autoescape=True),
        message_id=f"<{mail.message_key}@{settings.MAIL_DOMAIN}>",
        attachments=files,
    )


def _settle(mail: StaffMail, status: StaffMail.Status, **changes: object) -> None:
    with transaction.atomic():
        # A twin under an earlier lease may have settled it; what it wrote stands.
        settled = StaffMail.objects.filter(pk=mail.pk, status=StaffMail.Status.PENDING).update(
            status=status, **changes
        )
        if settled and status == StaffMail.Status.SENT:
            metrics.staff_mail_sent(mail.kind)

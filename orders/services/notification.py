"""Mails owed to shoppers: the debt is a row, written with its cause; sending pays it."""

from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from orders import events, metrics, task_names
from orders.errors import NotMailable
from orders.gateways.mailer import Mail, MailRefused, send_mail
from orders.letters.writing import write_letter
from orders.locked import honest_about_locks
from orders.locks import lock_order
from orders.models import Notification, Order
from orders.services.mail_facts import mail_facts
from orders.services.timeline import WORKER, record_event
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span

log = structlog.get_logger(__name__)


def announce(order: Order, kind: Notification.Kind, *, cause: str = "") -> None:
    """Owe the shopper a mail, in the caller's transaction. The same cause twice is one mail; an
    order whose personal data was erased gets none."""
    if order.erased_at is None:
        _owe(order, kind, cause)


def resend(notification_id: int, *, form_key: UUID, actor: str) -> Notification:
    """Owe the same mail again, to the order's address as it is now; the same form is one mail.

    What it says is read anew. Raises NotMailable, Busy, Notification.DoesNotExist.
    """
    repeated = Notification.objects.get(pk=notification_id)
    with honest_about_locks(), transaction.atomic():
        order = lock_order(repeated.order_id)
        if order.erased_at is not None:
            raise NotMailable("The personal data of this order was erased, so nobody can be told.")
        cause = f"resend:{repeated.pk}:{form_key.hex}"
        kind = Notification.Kind(repeated.kind)
        notification, is_new = _owe(order, kind, cause)
        if is_new:
            record_event(
                order.pk, "mail_repeated", f"Mail sent again on request: {kind.label}.", actor=actor
            )
    return notification


def _owe(order: Order, kind: Notification.Kind, cause: str) -> tuple[Notification, bool]:
    notification, is_new = Notification.objects.get_or_create(
        order=order,
        kind=kind,
        channel=Notification.Channel.EMAIL,
        cause=cause,
        defaults={"recipient": order.email},
    )
    if is_new:
        enqueue_mail(notification)
    return notification, is_new


def enqueue_mail(notification: Notification) -> None:
    enqueue(
        task_names.SEND_NOTIFICATION,
        {"notification_id": notification.pk},
        subject=f"notification:{notification.pk}",
    )


def send_notification(notification_id: int, lease: HeldLease) -> None:
    """Write and send the mail unless that has happened. What the mail server refuses for good is
    written down for the staff, who may send it again.

    A crash between sending and writing it down sends the mail again, with the same Message-ID, so
    that the reader's mail program sees one. Raises Transient, OutcomeUnknown or Permanent (the mail
    server will not work with us) from the mailer, and LeaseLost.
    """
    notification = Notification.objects.select_related("order").get(pk=notification_id)
    if notification.status != Notification.Status.PENDING:
        return
    if notification.order.erased_at is not None:
        _refuse(notification, "Not sent: the order's personal data was erased.", mail=None)
        return
    mail = _render(notification)
    lease.ensure()
    try:
        with call_span("send mail", order=notification.order.number, kind=notification.kind):
            send_mail(mail)
    except MailRefused as refusal:
        _refuse(notification, str(refusal), mail=mail)
        return
    _sent(notification, mail)
    log.info("mail_sent", order=notification.order.subject, kind=notification.kind)


def record_bounce(message_id: str, reason: str) -> Notification:
    """A mail that was taken came back later. ``message_id`` as in the mail, with or without <>.

    A second time, or for a mail that was never taken, changes nothing. Raises ValueError for a
    Message-ID that is not ours, Notification.DoesNotExist for one that nobody knows.
    """
    key = UUID(message_id.strip().strip("<>").partition("@")[0])
    notification = Notification.objects.select_related("order").get(message_key=key)
    _refuse(notification, reason, mail=None, only=Notification.Status.SENT)
    notification.refresh_from_db()
    return notification


def _sent(notification: Notification, mail: Mail) -> None:
    with transaction.atomic():
        pending = Notification.objects.filter(
            pk=notification.pk, status=Notification.Status.PENDING
        )
        sent = pending.update(
            status=Notification.Status.SENT,
            sent_at=Now(),
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
        )
        # Zero rows: a twin under an earlier lease was as far, and has written it down.
        if sent:
            kind = notification.get_kind_display()
            record_event(notification.order_id, "mailed", f"Mail sent: {kind}.", actor=WORKER)
            events.notification_sent(notification)
            metrics.mail_sent(notification.kind)


def _refuse(
    notification: Notification,
    problem: str,
    *,
    mail: Mail | None,
    only: Notification.Status = Notification.Status.PENDING,
) -> None:
    written = {"subject": mail.subject, "text": mail.text, "html": mail.html} if mail else {}
    problem = " ".join(problem.split())[:300]
    with transaction.atomic():
        refused = Notification.objects.filter(pk=notification.pk, status=only).update(
            status=Notification.Status.REFUSED, problem=problem, **written
        )
        # Zero rows: a twin has written it down.
        if refused:
            kind = notification.get_kind_display()
            record_event(
                notification.order_id,
                "mail_refused",
                f"Mail did not arrive: {kind}.",
                actor=WORKER,
            )
            metrics.mail_refused(notification.kind)
            log.warning("mail_refused", order=notification.order.subject, kind=notification.kind)


def _render(notification: Notification) -> Mail:
    written = write_letter(
        notification.kind, mail_facts(notification), language=notification.order.language
    )
    return Mail(
        recipient=notification.recipient,
        subject=written.subject,
        text=written.text,
        html=written.html,
        message_id=f"<{notification.message_key}@{settings.MAIL_DOMAIN}>",
    )

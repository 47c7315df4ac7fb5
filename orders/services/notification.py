"""Mails owed to shoppers: the debt is a row, written with its cause; sending pays it."""

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse

from orders import events, metrics, task_names
from orders.gateways.mailer import Mail, send_mail
from orders.models import Notification, Order
from orders.services.timeline import WORKER, record_event
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.spans import call_span

log = structlog.get_logger(__name__)


def announce(order: Order, kind: Notification.Kind, *, cause: str = "") -> None:
    """Owe the shopper a mail, in the caller's transaction. The same cause twice is one mail.

    An erased order has no mailbox any more: nothing is owed then.
    """
    if order.erased_at is not None:
        return
    notification, is_new = Notification.objects.get_or_create(
        order=order,
        kind=kind,
        channel=Notification.Channel.EMAIL,
        cause=cause,
        defaults={"recipient": order.email},
    )
    if is_new:
        enqueue_mail(notification)


def enqueue_mail(notification: Notification) -> None:
    enqueue(
        task_names.SEND_NOTIFICATION,
        {"notification_id": notification.pk},
        subject=f"notification:{notification.pk}",
    )


def send_notification(notification_id: int, lease: HeldLease) -> None:
    """Render and send the mail unless that has happened.

    A crash between sending and writing it down sends the mail again, with the same Message-ID, so
    that the reader's mail program sees one. Raises what the mailer raises, and LeaseLost.
    """
    notification = Notification.objects.select_related("order").get(pk=notification_id)
    if notification.status == Notification.Status.SENT:
        return
    mail = _render(notification)
    lease.ensure()
    with call_span("send mail", order=notification.order.number, kind=notification.kind):
        send_mail(mail)
    with transaction.atomic():
        sent = Notification.objects.filter(
            pk=notification_id, status=Notification.Status.PENDING
        ).update(
            status=Notification.Status.SENT,
            sent_at=Now(),
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
        )
        if sent:
            kind = notification.get_kind_display()
            record_event(notification.order_id, "mailed", f"Mail sent: {kind}.", actor=WORKER)
            events.notification_sent(notification)
            metrics.mail_sent(notification.kind)
    log.info("mail_sent", order=notification.order.subject, kind=notification.kind)


def _render(notification: Notification) -> Mail:
    order = notification.order
    context = {
        "order": order,
        "lines": list(order.lines.all()),
        "payment": order.payments.last(),
        "order_url": settings.SITE_URL + reverse("shop:order", args=[order.token]),
        "shop_name": settings.SHOP_NAME,
    }
    folder = f"orders/mail/{notification.kind}"
    subject = " ".join(render_to_string(f"{folder}.subject.txt", context).split())
    return Mail(
        recipient=notification.recipient,
        subject=subject,
        text=render_to_string(f"{folder}.txt", context),
        html=render_to_string(f"{folder}.html", context),
        message_id=f"<{notification.message_key}@{settings.MAIL_DOMAIN}>",
    )

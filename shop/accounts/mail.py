"""Mails about accounts: the debt is a row, sending pays it, and a sweep looks after both."""

import time
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from orders.gateways.mailer import MailRefused, send_mail
from shop import metrics
from shop.accounts.letters import write_mail
from shop.models import Account, AccountMail
from tasks.locks.held import HeldLease
from tasks.outbox import enqueue
from tasks.sweeping import in_hand, overdue, sweep

log = structlog.get_logger(__name__)

Kind = AccountMail.Kind
SEND_ACCOUNT_MAIL = "shop.send_account_mail"
RESUME_ACCOUNT_MAILS = "shop.resume_account_mails"
# The same wish within this time is the same mail.
SAME_MAIL_SECONDS = 300


def ask_for_mail(
    kind: AccountMail.Kind,
    email: str,
    *,
    language: str,
    account: Account | None = None,
    order_number: str = "",
) -> None:
    """Owe the address a mail that somebody asked for on a page.

    The same work whether or not the address is known here; asked again within
    SAME_MAIL_SECONDS while the link is unused, it stays one mail.
    """
    slot = int(time.time()) // SAME_MAIL_SECONDS
    owe_mail(
        kind,
        email,
        cause=f"account:{account.pk}:{slot}" if account else f"page:{slot}",
        language=language,
        account=account,
        order_number=order_number,
    )


def owe_mail(
    kind: AccountMail.Kind,
    email: str,
    *,
    language: str,
    cause: str = "",
    account: Account | None = None,
    order_number: str = "",
) -> None:
    """Write the debt and its message in one transaction. Without a cause it is a new mail."""
    mail = AccountMail(
        kind=kind,
        recipient=email,
        language=language,
        cause=cause or uuid4().hex,
        account=account,
        order_number=order_number,
    )
    with transaction.atomic():
        AccountMail.objects.bulk_create([mail], ignore_conflicts=True)
        # Not there: the constraint found this very mail owed already.
        owed = AccountMail.objects.filter(key=mail.key).first()
        if owed is not None:
            _enqueue(owed)


def send_account_mail(mail_id: int, lease: HeldLease) -> None:
    """Write and send the mail unless that has happened, or nobody wants it any more.

    A crash between sending and writing it down sends it again under the same Message-ID. What the
    mail server refuses for good is written on the row. Raises Transient, OutcomeUnknown or
    Permanent (the mail server will not work with us), and LeaseLost.
    """
    mail = AccountMail.objects.select_related("account").filter(pk=mail_id).first()
    if mail is None or mail.status != AccountMail.Status.PENDING:
        # Gone with its account, or sent by an earlier delivery of this message.
        return
    written = write_mail(mail)
    lease.ensure()
    try:
        send_mail(written)
    except MailRefused as refusal:
        _settle(mail, AccountMail.Status.REFUSED, problem=str(refusal)[:300])
        return
    _settle(mail, AccountMail.Status.SENT, subject=written.subject[:200])


def resume_account_mails() -> int:
    """Send the message again for mails that were not sent in STUCK_AFTER_SECONDS; how many."""
    return sweep(stuck_account_mails(), _resume)


def stuck_account_mails() -> QuerySet[AccountMail]:
    unsent = AccountMail.objects.filter(status=AccountMail.Status.PENDING)
    return overdue(unsent, since="created_at", after_seconds=settings.STUCK_AFTER_SECONDS)


def _resume(mail: AccountMail) -> bool:
    if in_hand(_subject(mail)):
        return False
    with transaction.atomic():
        _enqueue(mail)
    return True


def _settle(mail: AccountMail, status: AccountMail.Status, **written: str) -> None:
    pending = AccountMail.objects.filter(pk=mail.pk, status=AccountMail.Status.PENDING)
    with transaction.atomic():
        if pending.update(status=status, settled_at=Now(), **written):
            metrics.account_mail_settled(mail.kind, status)
    log.info("account_mail_settled", mail=mail.pk, kind=mail.kind, status=status.value)


def _enqueue(mail: AccountMail) -> None:
    # The row's number and nothing else: the link in it must not be readable in the broker.
    enqueue(SEND_ACCOUNT_MAIL, {"mail_id": mail.pk}, subject=_subject(mail))


def _subject(mail: AccountMail) -> str:
    return f"account_mail:{mail.pk}"

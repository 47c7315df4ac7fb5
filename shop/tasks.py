"""The Celery tasks of the shop: each parses its message and calls one service."""

from typing import Any

from shop.accounts import mail
from tasks.base import platform_task
from tasks.locks.held import HeldLease


@platform_task(mail.SEND_ACCOUNT_MAIL, lease_key="account_mail:{mail_id}")
def send_account_mail(*, mail_id: int, lease: HeldLease, **_: Any) -> None:
    mail.send_account_mail(mail_id, lease)


@platform_task(mail.RESUME_ACCOUNT_MAILS, lease_key="sweep:resume_account_mails", periodic=True)
def resume_account_mails(*, lease: HeldLease, **_: Any) -> None:
    mail.resume_account_mails()

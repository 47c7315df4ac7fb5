"""Shoppers with accounts for tests: they read their mail, and follow the links in it."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from django.core.cache import cache
from pytest_django import Settings

from shop.accounts.mail import send_account_mail
from shop.models import AccountMail
from tasks.guard import single_flight
from tests.integration.shop_visitor import Page, Visitor

PASSWORD = "low tide at nine"
ADA = "ada@example.org"
MALLORY = "mallory@example.org"
_LINK = re.compile(r"https?://\S+")


def prepare(settings: Settings, tmp_path: Path) -> None:
    """Files by their plain names, mails in a folder, hashes that are quick, limits that are new."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
    settings.MAIL_DIR = str(tmp_path / "mail")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.delete_pattern("limit:*")  # type: ignore[attr-defined]  # django-redis' own


def send(mail: AccountMail) -> None:
    with single_flight(f"account_mail:{mail.pk}", wait=5) as lease:
        send_account_mail(mail.pk, lease)


def post(settings: Settings) -> list[EmailMessage]:
    """Deliver what is owed, as the worker does; all mails so far, oldest first."""
    for mail in AccountMail.objects.filter(status=AccountMail.Status.PENDING).order_by("pk"):
        send(mail)
    rows = AccountMail.objects.filter(status=AccountMail.Status.SENT).order_by("pk")
    folder = Path(settings.MAIL_DIR)
    return [
        message_from_bytes((folder / f"{row.key}.eml").read_bytes(), policy=policy.default)
        for row in rows
    ]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def links_in(mail: EmailMessage) -> list[str]:
    """Their paths, in the order of the mail."""
    return [urlsplit(link).path for link in _LINK.findall(text_of(mail))]


def asks(visitor: Visitor, path: str, form_id: str, **typed: str) -> Page:
    """Fills in one of the account's forms and sends it."""
    return visitor.post(path, {**visitor.get(path).form(form_id), **typed})


def with_account(settings: Settings, email: str = ADA, visitor: Visitor | None = None) -> Visitor:
    """A visitor who has just opened an account by the link in the mail, and is signed in."""
    visitor = visitor or Visitor()
    asks(visitor, "/account/sign-up/", "sign-up", email=email)
    link = links_in(post(settings)[-1])[0]
    page = asks(visitor, link, "choose-password", password=PASSWORD)
    assert page.status == 303, page.words
    return visitor


def signs_in(visitor: Visitor, email: str = ADA, password: str = PASSWORD) -> Page:
    return asks(visitor, "/account/sign-in/", "sign-in", email=email, password=password)


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account/").status == 200

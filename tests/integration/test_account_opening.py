"""Opening an account: the address first, then its mailbox, then the password."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from shop.accounts.mail import owe_mail, resume_account_mails
from shop.models import Account, AccountMail
from tasks.models import OutboxMessage
from tests.integration.accounts import (
    ADA,
    PASSWORD,
    asks,
    is_signed_in,
    links_in,
    post,
    prepare,
    send,
    text_of,
    with_account,
)
from tests.integration.shop_visitor import Page, Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    prepare(settings, tmp_path)


def link_for(settings: Settings, email: str = ADA) -> str:
    asks(Visitor(), "/account/sign-up/", "sign-up", email=email)
    return links_in(post(settings)[-1])[0]


def opens(visitor: Visitor, link: str, password: str = PASSWORD) -> Page:
    page = visitor.get(link)
    if page.status != 200:
        return page
    return visitor.post(link, {**page.form("choose-password"), "password": password})


def test_an_account_is_opened_by_the_link_in_the_mail(settings: Settings) -> None:
    ada = Visitor()
    answer = asks(ada, "/account/sign-up/", "sign-up", email=ADA)
    assert (answer.status, answer.location) == (303, "/account/mail/")
    assert not User.objects.exists()

    link = links_in(post(settings)[0])[0]
    assert ada.get(link).status == 200
    assert opens(ada, link).location == "/account/"

    assert is_signed_in(ada)
    assert Account.objects.get().email == ADA
    # Nothing that staff see of a user tells who it is.
    assert ADA not in (User.objects.get().username, User.objects.get().email)


def test_a_link_works_once(settings: Settings) -> None:
    link = link_for(settings)
    opens(Visitor(), link)

    again = opens(Visitor(), link, "another password")

    assert again.status == 410
    assert "used before" in again.words
    assert Account.objects.get().user.check_password(PASSWORD)


def test_a_form_that_was_open_when_the_link_was_used_changes_nothing(
    settings: Settings,
) -> None:
    link = link_for(settings)
    slow = Visitor()
    form = slow.get(link).form("choose-password")
    opens(Visitor(), link)

    assert slow.post(link, {**form, "password": "another password"}).status == 410
    assert Account.objects.get().user.check_password(PASSWORD)


def test_a_link_has_an_end(settings: Settings) -> None:
    link = link_for(settings)
    settings.ACCOUNT_LINK_SECONDS = -1

    assert opens(Visitor(), link).status == 410
    assert not Account.objects.exists()


@pytest.mark.parametrize("spoilt", ["nonsense", "{}x", "x{}", "{}%00"])
def test_a_link_that_is_not_ours_is_refused(settings: Settings, spoilt: str) -> None:
    token = link_for(settings).rstrip("/").rpartition("/")[2]

    page = Visitor().get(f"/account/sign-up/{spoilt.format(token)}/")

    assert page.status == 410
    assert "does not work" in page.words


def test_a_link_of_one_kind_is_no_link_of_another(settings: Settings) -> None:
    token = link_for(settings).rstrip("/").rpartition("/")[2]

    assert Visitor().get(f"/account/forgotten/{token}/").status == 410


def test_two_links_of_one_mailbox_open_one_account(settings: Settings) -> None:
    for email in (ADA, ADA.upper()):
        owe_mail(AccountMail.Kind.SIGN_UP, email, language="en")
    first, second = (links_in(mail)[0] for mail in post(settings))
    opens(Visitor(), first)

    late = opens(Visitor(), second)

    assert late.status == 409
    assert "sign in" in late.words
    assert Account.objects.count() == User.objects.count() == 1


@pytest.mark.parametrize("password", ["", "tide-9", "12345678901", "password1", "x" * 200])
def test_a_weak_password_is_refused_and_the_link_stays_good(
    settings: Settings, password: str
) -> None:
    link = link_for(settings)

    refused = opens(Visitor(), link, password)

    assert refused.status == 422
    assert refused.ids_with_errors() == {"password"}
    if password:
        assert password not in refused.text
    assert opens(Visitor(), link).status == 303


def test_a_known_address_is_told_by_mail_and_by_nothing_else(settings: Settings) -> None:
    with_account(settings)

    asks(Visitor(), "/account/sign-up/", "sign-up", email=ADA.upper())

    told = post(settings)[-1]
    assert "already" in str(told["Subject"])
    assert links_in(told) == ["/account/sign-in/", "/account/forgotten/"]


@pytest.mark.parametrize(
    ("path", "form_id"),
    [
        ("/account/sign-up/", "sign-up"),
        ("/account/forgotten/", "forgotten"),
        ("/account/find-order/", "find-order"),
    ],
)
def test_known_and_unknown_addresses_are_answered_alike_with_the_same_work(
    settings: Settings, path: str, form_id: str
) -> None:
    with_account(settings)
    answers = []
    for email in (ADA, "nobody@example.org"):
        visitor = Visitor()
        form = visitor.get(path).form(form_id)
        with CaptureQueriesContext(connection) as queries:
            page = visitor.post(path, {**form, "email": email})
        answers.append((page.status, page.location, page.text, len(queries)))

    assert answers[0] == answers[1]


def test_neither_the_message_nor_the_table_holds_the_link(settings: Settings) -> None:
    token = link_for(settings).rstrip("/").rpartition("/")[2]

    mail = AccountMail.objects.get()
    assert OutboxMessage.objects.get().kwargs == {"mail_id": mail.pk}
    kept = [str(value) for value in AccountMail.objects.values_list()[0]]
    assert not any(token in value for value in kept)


def test_a_refused_password_does_not_write_the_link_into_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    link = link_for(settings)

    assert opens(Visitor(), link, "tide-9").status == 422

    assert link not in caplog.text


def test_asked_again_and_again_it_is_one_mail_even_without_a_cache(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop.accounts.limits._hit", lambda *_: 0)
    monkeypatch.setattr("shop.accounts.mail.time.time", lambda: 1_000_000_000.0)

    for spelt in (ADA, ADA, ADA.upper()):
        assert asks(Visitor(), "/account/sign-up/", "sign-up", email=spelt).status == 303

    assert AccountMail.objects.count() == OutboxMessage.objects.count() == 1


def test_a_mailbox_is_not_flooded(settings: Settings) -> None:
    pages = [asks(Visitor(), "/account/sign-up/", "sign-up", email=ADA) for _ in range(7)]

    assert [page.status for page in pages] == [303] * 6 + [429]
    assert pages[-1].response["Retry-After"] == "3600"
    assert "wait 60 minutes" in pages[-1].words
    assert asks(Visitor(), "/account/sign-up/", "sign-up", email="b@example.org").status == 303


@pytest.mark.parametrize("email", ["", "ada at home", "\N{KELVIN SIGN}im@example.org", "a" * 300])
def test_what_is_no_address_is_told_at_its_field(email: str) -> None:
    page = asks(Visitor(), "/account/sign-up/", "sign-up", email=email)

    assert page.status == 422
    assert page.ids_with_errors() == {"email"}
    assert not AccountMail.objects.exists()


def test_a_mail_that_is_refused_is_told_to_the_staff(settings: Settings) -> None:
    settings.MAIL_DOMAIN = "two\nlines"
    owe_mail(AccountMail.Kind.SIGN_UP, ADA, language="en")

    send(AccountMail.objects.get())

    mail = AccountMail.objects.get()
    assert mail.status == AccountMail.Status.REFUSED
    assert "cannot be written" in mail.problem


def test_a_mail_that_stood_still_is_sent_on(settings: Settings) -> None:
    settings.STUCK_AFTER_SECONDS = 0
    owe_mail(AccountMail.Kind.SIGN_UP, ADA, language="en")
    assert resume_account_mails() == 0
    OutboxMessage.objects.all().delete()

    assert resume_account_mails() == 1
    assert OutboxMessage.objects.get().task == "shop.send_account_mail"


def test_a_message_delivered_twice_is_one_mail(settings: Settings) -> None:
    owe_mail(AccountMail.Kind.SIGN_UP, ADA, language="en")
    mail = AccountMail.objects.get()

    send(mail)
    first = AccountMail.objects.get().settled_at
    send(mail)

    assert AccountMail.objects.get().settled_at == first
    assert len(list(Path(settings.MAIL_DIR).iterdir())) == 1


@pytest.mark.parametrize(("language", "greeting"), [("en", "Hello,"), ("de", "Guten Tag,")])
def test_every_kind_of_mail_is_written_whole_in_each_language(
    settings: Settings, language: str, greeting: str
) -> None:
    with_account(settings)
    account = Account.objects.get()
    AccountMail.objects.all().delete()
    for kind in AccountMail.Kind:
        for email in (ADA, "nobody@example.org"):
            owe_mail(kind, email, language=language, account=account, order_number="7K2Q-9FWD")

    mails = post(settings)
    assert len(mails) == 2 * len(AccountMail.Kind)
    for mail in mails:
        html = mail.get_body(("html",))
        assert html is not None
        assert str(mail["Subject"]).startswith(f"{settings.SHOP_NAME}: ")
        for body in (text_of(mail), html.get_content()):
            assert greeting in body
            assert "%(" not in body
            assert "{{" not in body

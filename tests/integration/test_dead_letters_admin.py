"""The back office's pages for what ended badly, waits, or is left alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from tasks import dead_letters
from tasks.causes import Cause
from tasks.models import BreakerState, DeadLetter, DeadLetterAction, OutboxMessage
from tasks.outbox import enqueue
from tests.integration.letters import CAPTURE, letter

pytestmark = pytest.mark.django_db(transaction=True)

LETTERS = "admin:tasks_deadletter_changelist"
ALL = ("view_deadletter", "redrive_deadletter", "discard_deadletter", "view_deadletteraction")


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    # No collectstatic is needed here: files go by their plain names.
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def sign_in(client: Client, *permissions: str) -> None:
    user = User.objects.create_user("sam", password=None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)


def ask(client: Client, verb: str, *letters: DeadLetter, query: str = "", **more: str) -> Any:
    """Choose letters in the list and press the action's button."""
    given = {"action": verb, "_selected_action": [str(one.pk) for one in letters], **more}
    return client.post(reverse(LETTERS) + query, given, follow=True)


def answer(client: Client, asked: Any, **given: str) -> Any:
    """Fill in the page that came, and send it."""
    (form,) = document(asked).xpath("//form[@id='dead-letter-action']")
    fields: dict[str, Any] = {"_selected_action": []}
    for name, value in form.form_values():
        if name == "_selected_action":
            fields[name].append(value)
        else:
            fields[name] = value
    return client.post(form.action, {**fields, **given}, follow=True)


def text(page: Any) -> str:
    return str(document(page).text_content())


def document(page: Any) -> Any:
    return html.fromstring(page.content.decode())


def test_a_redrive_asks_first_and_is_told_and_shown_on_the_letters_page(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1)

    asked = ask(client, "redrive", one)
    assert not OutboxMessage.objects.exists()
    told = answer(client, asked, rate_per_second="5", reason="the key was mended")

    assert "1 sent again" in text(told)
    assert OutboxMessage.objects.get().kwargs == one.kwargs
    page = text(client.get(reverse("admin:tasks_deadletter_change", args=[one.pk])))
    for said in ("sent again", "sam", "the key was mended", "payment@host", "trace-1", "Traceback"):
        assert said in page


def test_the_buttons_on_a_letters_page_do_the_same(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1)
    page = client.get(reverse("admin:tasks_deadletter_change", args=[one.pk]))
    (link,) = document(page).xpath("//a[contains(., 'Discard…')]/@href")

    told = answer(client, client.get(link, follow=True), reason="a test order")

    assert "1 discarded" in text(told)
    one.refresh_from_db()
    assert one.status == "discarded"
    assert "None of these is open" in text(client.get(link, follow=True))


def test_no_discard_without_a_reason(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1)

    for reason in ("", "   ", "abc"):
        asked = answer(client, ask(client, "discard", one), reason=reason)
        assert asked.context["form"].errors

    assert not DeadLetterAction.objects.exists()
    assert "1 discarded" in text(answer(client, asked, reason="a test order"))


def test_a_rate_that_is_none_is_refused(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1)

    for rate in ("0", "-1", "nan", "x", ""):
        asked = answer(client, ask(client, "redrive", one), rate_per_second=rate)
        assert asked.context["form"].errors

    assert not OutboxMessage.objects.exists()


def test_all_that_a_filter_shows_is_redriven_and_nothing_that_came_later(client: Client) -> None:
    sign_in(client, *ALL)
    for number in range(12):
        letter(number, cause=Cause.EXHAUSTED)
    other = letter(500)
    query = "?cause__exact=exhausted"
    first = DeadLetter.objects.filter(cause=Cause.EXHAUSTED).first()
    assert first is not None

    asked = ask(client, "redrive", first, query=query, select_across="1")
    assert "12 dead letters" in text(asked)
    late = letter(501, cause=Cause.EXHAUSTED)
    told = answer(client, asked, rate_per_second="100")

    assert "12 sent again" in text(told)
    still_open = DeadLetter.objects.filter(status="open").order_by("pk")
    assert list(still_open) == [other, late]


def test_what_somebody_else_closed_meanwhile_is_told(client: Client) -> None:
    sign_in(client, *ALL)
    one, two = letter(1), letter(2)
    asked = ask(client, "redrive", one, two)
    dead_letters.discard(one.pk, by="carol", reason="a test order")

    assert "1 sent again" in text(answer(client, asked, rate_per_second="5"))
    assert OutboxMessage.objects.get().subject == "order:2"


def test_a_letter_that_cannot_be_sent_stays_open_and_says_why(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1, cause=Cause.UNDECODABLE)

    told = text(answer(client, ask(client, "redrive", one), rate_per_second="5"))

    assert "nobody knows what to send" in told
    assert "sent again" not in told
    one.refresh_from_db()
    assert one.status == "open"


@pytest.mark.parametrize("verb", ["redrive", "discard"])
def test_looking_is_not_acting(client: Client, verb: str) -> None:
    one = letter(1)
    sign_in(client, "view_deadletter")
    given = {"confirmed": verb, "rate_per_second": "5", "reason": "I am not allowed"}

    ask(client, verb, one, **given)
    url = reverse(f"admin:tasks_deadletter_{verb}_one", args=[one.pk])
    refused = client.post(url, given)

    assert refused.status_code == 403
    one.refresh_from_db()
    assert one.status == "open"
    assert "Redrive…" not in text(
        client.get(reverse("admin:tasks_deadletter_change", args=[one.pk]))
    )


def test_strangers_are_sent_away(client: Client) -> None:
    assert client.get(reverse(LETTERS)).status_code == 302
    sign_in(client)
    assert client.get(reverse(LETTERS)).status_code == 403


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("cause__exact=poison", {"order:2"}),
        ("error_class=Permanent", {"order:1", "order:2", "order:3"}),
        ("task=orders.deduct_inventory", {"order:3"}),
        ("status__exact=discarded", {"order:1"}),
        ("q=order:2", {"order:2"}),
    ],
)
def test_the_list_is_filtered(client: Client, query: str, shown: set[str]) -> None:
    sign_in(client, *ALL)
    dead_letters.discard(letter(1).pk, by="carol", reason="a test order")
    letter(2, cause=Cause.POISON)
    letter(3, task="orders.deduct_inventory")

    page = client.get(f"{reverse(LETTERS)}?{query}")

    assert {one.subject for one in page.context["cl"].result_list} == shown


def test_markup_in_a_message_is_harmless(client: Client) -> None:
    sign_in(client, *ALL)
    one = letter(1)
    DeadLetter.objects.update(
        error="<script>alert(1)</script>", kwargs={"<img>": "<img>"}, subject="<b>bold</b>"
    )

    for page in (
        client.get(reverse("admin:tasks_deadletter_change", args=[one.pk])),
        client.get(reverse(LETTERS)),
        ask(client, "redrive", one),
    ):
        assert "<script>alert" not in page.content.decode()
        assert "<img>" not in page.content.decode()
        assert "<b>bold" not in page.content.decode()


def test_the_outbox_says_when_and_why(client: Client) -> None:
    sign_in(client, "view_outboxmessage")
    with transaction.atomic():
        enqueue(CAPTURE, {}, delay_seconds=90, attempt=3, reason="Transient: 429")
        enqueue(CAPTURE, {})

    page = text(client.get(reverse("admin:tasks_outboxmessage_changelist")))

    assert "Transient: 429" in page
    assert "in 8" in page or "in 90 s" in page
    assert "due" in page
    assert "first try" in page


def test_breakers_are_shown(client: Client) -> None:
    sign_in(client, "view_breakerstate")
    until = timezone.now() + timedelta(seconds=3_600)
    BreakerState.objects.create(
        name="payment.capture", status="open", failures=5, until=until, last_error="503"
    )

    page = text(client.get(reverse("admin:tasks_breakerstate_changelist")))

    for said in ("payment.capture", "open", "in 60 min", "503"):
        assert said in page

"""Signing in and out, passwords and addresses: who gets in, and who is out afterwards."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from shop.accounts.urls import urlpatterns
from shop.models import Account
from tests.integration.accounts import (
    ADA,
    MALLORY,
    PASSWORD,
    asks,
    is_signed_in,
    links_in,
    post,
    prepare,
    signs_in,
    text_of,
    with_account,
)
from tests.integration.shop_visitor import Visitor, shelve

pytestmark = pytest.mark.django_db
OTHER = "high tide at three"


@pytest.fixture(autouse=True)
def _shop(db: None, settings: Settings, tmp_path: Path) -> None:
    prepare(settings, tmp_path)


@pytest.fixture
def ada(settings: Settings) -> Visitor:
    """Signed in; so is her other device."""
    return with_account(settings)


@pytest.fixture
def other_device(ada: Visitor) -> Visitor:
    visitor = Visitor()
    signs_in(visitor)
    return visitor


def test_the_right_password_opens_whatever_the_case_of_the_address(ada: Visitor) -> None:
    visitor = Visitor()

    assert signs_in(visitor, ADA.upper()).location == "/account/"
    assert is_signed_in(visitor)


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(ada: Visitor) -> None:
    wrong = signs_in(Visitor(), ADA, "wrong password")
    unknown = signs_in(Visitor(), "nobody@example.org", PASSWORD)

    assert wrong.status == unknown.status == 422
    assert wrong.words.replace(ADA, "") == unknown.words.replace("nobody@example.org", "")
    assert "do not fit" in wrong.words
    assert PASSWORD not in unknown.text


def test_the_cart_comes_along_under_a_new_session_name(ada: Visitor) -> None:
    shelve("MUG-ONE", units=5)
    visitor = Visitor()
    visitor.buys("MUG-ONE")
    before = visitor.client.cookies["sessionid"].value

    signs_in(visitor)

    assert visitor.client.cookies["sessionid"].value != before
    assert "Tide mug" in visitor.get("/cart/").words


def test_signing_out_ends_the_session(ada: Visitor) -> None:
    stolen = Visitor(ada.client.cookies)

    ada.post("/account/sign-out/", {})

    assert not is_signed_in(ada)
    assert not is_signed_in(stolen)


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/checkout/", "/checkout/"),
        ("//evil.example/", "/account/"),
        ("https://evil.example/", "/account/"),
        ("/\\evil.example", "/account/"),
        ("javascript:alert(1)", "/account/"),
    ],
)
def test_the_way_onward_stays_in_the_shop(ada: Visitor, wanted: str, goes_to: str) -> None:
    page = asks(
        Visitor(), "/account/sign-in/", "sign-in", email=ADA, password=PASSWORD, next=wanted
    )

    assert page.location == goes_to


def test_a_page_of_the_account_sends_to_sign_in_and_back() -> None:
    assert Visitor().get("/account/orders/").location == (
        "/account/sign-in/?next=%2Faccount%2Forders%2F"
    )


def test_staff_and_shoppers_do_not_open_each_others_doors(ada: Visitor, settings: Settings) -> None:
    staff = User.objects.create_superuser("boss", "boss@example.org", OTHER)
    assert signs_in(Visitor(), "boss@example.org", OTHER).status == 422
    assert signs_in(Visitor(), "boss", OTHER).status == 422

    shopper = Account.objects.get().user
    assert not Client().login(username=shopper.username, password="wrong")
    client = Client()
    client.force_login(shopper)
    assert client.get("/admin/").status_code == 302

    # An account with the address of a member of staff is a user of its own.
    with_account(settings, "boss@example.org")
    staff.refresh_from_db()
    assert staff.check_password(OTHER)
    assert Account.objects.get(email="boss@example.org").user != staff


def test_staff_in_the_shop_are_guests(ada: Visitor) -> None:
    visitor = Visitor()
    visitor.client.force_login(User.objects.create_superuser("boss", "", OTHER))

    assert visitor.get("/account/").status == 303
    assert "Sign in" in visitor.get("/").words


def test_a_shopper_who_becomes_staff_is_no_shopper_any_more(
    ada: Visitor, settings: Settings
) -> None:
    User.objects.update(is_staff=True)

    assert not is_signed_in(ada)
    assert signs_in(Visitor()).status == 422
    asks(Visitor(), "/account/forgotten/", "forgotten", email=ADA)
    assert "no account" in str(post(settings)[-1]["Subject"])


def test_guessing_ends_after_ten_tries_and_the_right_person_resets_it(ada: Visitor) -> None:
    for _ in range(9):
        assert signs_in(Visitor(), ADA, "wrong password").status == 422
    assert signs_in(Visitor()).status == 303
    for _ in range(10):
        assert signs_in(Visitor(), ADA, "wrong password").status == 422

    refused = signs_in(Visitor())

    assert refused.status == 429
    assert "wait 15 minutes" in refused.words
    assert refused.response["Retry-After"] == "900"


def test_guesses_at_many_addresses_from_one_client_end_too(settings: Settings) -> None:
    settings.PROXY_COUNT = 1
    visitor = Visitor()
    form = visitor.get("/account/sign-in/").form("sign-in")

    def guess(number: int, client: str) -> int:
        typed = {**form, "email": f"{number}@example.org", "password": "a guess"}
        # Only what our own proxy wrote counts; what stands left of it anybody can send.
        seen = f"198.51.100.{number}, {client}"
        return visitor.post("/account/sign-in/", typed, **{"X-Forwarded-For": seen}).status

    assert {guess(number, "203.0.113.9") for number in range(60)} == {422}
    assert guess(61, "203.0.113.9") == 429
    assert guess(62, "203.0.113.10") == 422


def test_without_its_cache_the_shop_stays_open(ada: Visitor, settings: Settings) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert cache.get("anything") is None

    assert {signs_in(Visitor(), ADA, "wrong password").status for _ in range(12)} == {422}
    assert signs_in(Visitor()).status == 303


POSTED = [pattern for pattern in urlpatterns if pattern.name != "mail-on-its-way"]


@pytest.mark.parametrize("pattern", POSTED, ids=lambda pattern: str(pattern.name))
def test_every_form_needs_its_own_token(ada: Visitor, pattern: object) -> None:
    name = pattern.name  # type: ignore[attr-defined]
    arguments = {"token": "x"} if "confirm" in name else {}
    if name in {"address", "address-delete", "address-default"}:
        arguments = {"pk": "1"}
    path = reverse(f"shop:{name}", kwargs=arguments)

    answer = ada.client.post(path, {"csrfmiddlewaretoken": "wrong"})

    assert answer.status_code == 403


def test_a_new_password_puts_every_other_device_out(
    ada: Visitor, other_device: Visitor, settings: Settings
) -> None:
    before = ada.client.cookies["sessionid"].value

    page = asks(
        ada,
        "/account/password/",
        "change-password",
        old_password=PASSWORD,
        password=OTHER,
    )

    assert page.status == 303
    assert is_signed_in(ada)
    assert ada.client.cookies["sessionid"].value != before
    assert not is_signed_in(other_device)
    assert signs_in(Visitor()).status == 422
    assert signs_in(Visitor(), ADA, OTHER).status == 303
    assert "password was changed" in str(post(settings)[-1]["Subject"])


def test_a_wrong_old_password_changes_nothing(ada: Visitor) -> None:
    page = asks(ada, "/account/password/", "change-password", old_password="wrong", password=OTHER)

    assert page.status == 422
    assert page.ids_with_errors() == {"old_password"}
    assert signs_in(Visitor()).status == 303


def test_a_forgotten_password_is_replaced_by_mail_once(
    ada: Visitor, other_device: Visitor, settings: Settings
) -> None:
    asks(Visitor(), "/account/forgotten/", "forgotten", email=ADA)
    link = links_in(post(settings)[-1])[0]

    page = asks(Visitor(), link, "choose-password", password=OTHER)

    assert page.location == "/account/sign-in/"
    assert not is_signed_in(ada)
    assert not is_signed_in(other_device)
    assert signs_in(Visitor(), ADA, OTHER).status == 303
    assert Visitor().get(link).status == 410


def test_a_changed_password_closes_the_links_that_were_sent_before(
    ada: Visitor, settings: Settings
) -> None:
    asks(Visitor(), "/account/forgotten/", "forgotten", email=ADA)
    link = links_in(post(settings)[-1])[0]

    asks(ada, "/account/password/", "change-password", old_password=PASSWORD, password=OTHER)

    assert Visitor().get(link).status == 410


def test_a_forgotten_password_of_nobody_is_told_to_the_mailbox(settings: Settings) -> None:
    asks(Visitor(), "/account/forgotten/", "forgotten", email="nobody@example.org")

    told = post(settings)[-1]
    assert told["To"] == "nobody@example.org"
    assert "There is none" in text_of(told)
    assert not any("/forgotten/" in link for link in links_in(told))


def test_a_new_address_counts_once_its_mailbox_was_opened(ada: Visitor, settings: Settings) -> None:
    asks(
        ada,
        "/account/email/",
        "change-email",
        email="ada@new.example",
        old_password=PASSWORD,
    )
    link = links_in(post(settings)[-1])[0]
    assert Account.objects.get().email == ADA

    assert ada.get(link).status == 200
    page = asks(ada, link, "confirm-email")

    assert page.location == "/account/"
    assert Account.objects.get().email == "ada@new.example"
    assert signs_in(Visitor(), "ada@new.example").status == 303
    told = post(settings)[-1]
    assert (told["To"], "changed" in text_of(told)) == (ADA, True)
    assert "ada@new.example" not in text_of(told)


def test_nobody_gets_an_address_by_having_its_owner_click(ada: Visitor, settings: Settings) -> None:
    """Mallory has the confirmation sent to Ada's mailbox; Ada, signed in, opens it."""
    mallory = with_account(settings, MALLORY)
    asks(
        mallory,
        "/account/email/",
        "change-email",
        email="ada@new.example",
        old_password=PASSWORD,
    )
    link = links_in(post(settings)[-1])[0]

    assert ada.get(link).status == 410
    assert ada.post(link, {}).status == 410
    assert Visitor().get(link).status == 303

    assert sorted(Account.objects.values_list("email", flat=True)) == [ADA, MALLORY]


def test_an_address_of_another_account_is_not_given_away(ada: Visitor, settings: Settings) -> None:
    mallory = with_account(settings, MALLORY)

    asks(mallory, "/account/email/", "change-email", email=ADA, old_password=PASSWORD)

    told = post(settings)[-1]
    assert (told["To"], "already" in str(told["Subject"])) == (ADA, True)
    assert not any("/account/email/" in link for link in links_in(told))


def test_an_address_that_became_anothers_meanwhile_stays_theirs(
    ada: Visitor, settings: Settings
) -> None:
    asks(ada, "/account/email/", "change-email", email=MALLORY, old_password=PASSWORD)
    link = links_in(post(settings)[-1])[0]
    with_account(settings, MALLORY)

    page = asks(ada, link, "confirm-email")

    assert page.status == 409
    assert sorted(Account.objects.values_list("email", flat=True)) == [ADA, MALLORY]

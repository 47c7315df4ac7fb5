"""What mails say: each kind in each language, the same as text and as HTML."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.conf import settings
from lxml import html

from orders.letters.facts import (
    MailFacts,
    ParcelFacts,
    PaymentFacts,
    RefundFacts,
    ReturnFacts,
    Units,
)
from orders.letters.writing import LETTERS, Written, write_letter
from orders.models import Notification
from orders.states import OrderStatus, PaymentStatus

MUG = Units("Tide mug", 2, 5_600)
AT = datetime(2026, 11, 29, 13, 5, tzinfo=UTC)
FACTS = MailFacts(
    shop_name="Tidemark",
    shop_address=["Tidemark", "1 Quay Street", "28195 Bremen"],
    name="Zoë <b>Müller</b> & Söhne",
    number="7K2Q-9FWD",
    status=OrderStatus.PAID,
    currency="EUR",
    total_cents=123_450,
    units=[MUG],
    street=["Kaistraße 1", "28195 Bremen"],
    country="DE",
    hold_expires_at=AT,
    can_pay=True,
    captured_cents=123_450,
    back_cents=0,
    bank_is_silent=False,
    left_units=1,
    order_url="https://shop.example/orders/a-b/",
    invoice_url="https://shop.example/orders/a-b/invoice/",
    payment=PaymentFacts("Visa ·· 4242", 123_450, PaymentStatus.CAPTURED),
    parcel=ParcelFacts([MUG], "DHL", "JD0001", "https://carrier.example/JD0001", None),
    refund=RefundFacts(1_000, "Visa ·· 4242", [MUG]),
    a_return=ReturnFacts([MUG], [MUG], 5_600, "Visa ·· 4242"),
)
UNPAID = replace(FACTS, captured_cents=0, status=OrderStatus.PAYMENT_FAILED, invoice_url="")
DECLINED = PaymentFacts("Visa ·· 0002", 123_450, PaymentStatus.DECLINED, "insufficient_funds")
LANGUAGES = [code for code, _name in settings.LANGUAGES]
SITUATIONS = [
    replace(FACTS, status=status, can_pay=can_pay, captured_cents=captured, bank_is_silent=silent)
    for status in OrderStatus
    for can_pay in (True, False)
    for captured, silent in ((0, False), (0, True), (123_450, False))
]


def written(kind: str, facts: MailFacts = FACTS, language: str = "en") -> Written:
    return write_letter(kind, facts, language=language)


def words(text: str) -> str:
    return " ".join(text.split())


def read(page: str) -> str:
    root: html.HtmlElement = html.fromstring(page)
    return words(str(root.text_content()))


def test_every_kind_of_mail_has_a_letter() -> None:
    assert set(LETTERS) == set(Notification.Kind.values)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", Notification.Kind.values)
def test_each_mail_is_whole_in_each_language_however_late_it_is_written(
    kind: str, language: str
) -> None:
    for facts in SITUATIONS:
        mail = written(kind, facts, language)

        for part in (mail.subject, mail.text, mail.html):
            assert "7K2Q-9FWD" in part
            assert not re.search(r"%\(|\{\{|\{%|None|\bPaymentStatus", part)
        assert facts.order_url in mail.text
        assert facts.order_url in mail.html
        assert f'lang="{language}"' in mail.html
        assert len(mail.subject) <= 200
        assert "\n" not in mail.subject
        assert max(map(len, mail.text.splitlines())) <= 100


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", Notification.Kind.values)
def test_text_and_html_say_the_same(kind: str, language: str) -> None:
    mail = written(kind, language=language)
    shown = read(mail.html)

    paragraphs = [words(block) for block in mail.text.split("\n\n")]
    told = [text for text in paragraphs if text.endswith((".", "?", "!")) and "@" not in text]
    assert len(told) >= 2
    assert [text for text in told if text not in shown and not text.startswith("--")] == []


@pytest.mark.parametrize("kind", Notification.Kind.values)
def test_no_sentence_of_a_german_mail_is_left_in_english(kind: str) -> None:
    for facts in SITUATIONS:
        english, german = (written(kind, facts, language) for language in ("en", "de"))

        same = {words(x) for x in english.text.split("\n\n")} & {
            words(x) for x in german.text.split("\n\n")
        }
        # A list of things reads alike, for they have one name.
        assert all("×" in text for text in same)
        assert english.subject != german.subject


def test_markup_in_a_name_is_text() -> None:
    mail = written("order_confirmed")

    assert "<b>Müller" not in mail.html
    assert "Zoë <b>Müller</b> & Söhne" in read(mail.html)
    assert "Zoë <b>Müller</b> & Söhne" in mail.text


def test_a_line_break_in_the_shops_name_does_not_reach_the_header() -> None:
    mail = written("order_placed", replace(FACTS, shop_name="Tide\r\nBcc: eve@example.org"))

    assert mail.subject.startswith("Tide Bcc: eve@example.org: ")


def test_money_dates_and_countries_are_written_as_the_language_does() -> None:
    english, german = (written("hold_expiring", UNPAID, code) for code in ("en", "de"))

    assert "29 November 2026, 13:05 UTC" in english.text
    assert "29. November 2026, 13:05 Uhr UTC" in words(german.text)
    assert "€\N{NO-BREAK SPACE}1,234.50" in english.text
    assert "1.234,50\N{NO-BREAK SPACE}€" in german.text
    assert "Germany" in written("order_confirmed").text
    assert "Deutschland" in written("order_confirmed", language="de").text


def test_a_language_that_the_shop_does_not_speak_gets_the_shops_own() -> None:
    assert written("order_placed", language="de-AT").subject.endswith("eingegangen")
    assert written("order_placed", language="tlh") == written("order_placed", language="en")


def test_a_declined_card_is_explained_in_plain_words() -> None:
    facts = replace(UNPAID, payment=DECLINED)

    mail = written("payment_declined", facts)

    assert "Visa ·· 0002" in mail.text
    assert "There is not enough money on it." in words(mail.text)
    assert "Try another card" in mail.html


def test_a_thief_is_not_told_that_the_card_is_known_to_be_stolen() -> None:
    stolen = replace(UNPAID, payment=replace(DECLINED, decline_code="stolen_card"))
    new = replace(UNPAID, payment=replace(DECLINED, decline_code="code_of_next_year"))

    assert "stolen" not in written("payment_declined", stolen).text
    assert written("payment_declined", stolen) == written("payment_declined", new)


@pytest.mark.parametrize(
    ("status", "can_pay", "told", "untold"),
    [
        (OrderStatus.PAYMENT_FAILED, True, "pay with another card", "go back on sale"),
        (OrderStatus.PAYMENT_FAILED, False, "go back on sale", "pay with another card"),
        (OrderStatus.PAID, True, "is paid by now", "pay with another card"),
        (OrderStatus.EXPIRED, False, "has ended since", "pay with another card"),
        (OrderStatus.CANCELLED, True, "was cancelled since", "pay with another card"),
        (OrderStatus.PLACED, True, "asking your bank", "pay with another card"),
    ],
)
def test_a_late_mail_about_a_declined_card_offers_only_what_is_still_true(
    status: OrderStatus, can_pay: bool, told: str, untold: str
) -> None:
    facts = replace(UNPAID, payment=DECLINED, status=status, can_pay=can_pay)

    text = words(written("payment_declined", facts).text)

    assert told in text
    assert untold not in text
    assert "This card was not charged." in text


@pytest.mark.parametrize(("can_pay", "button"), [(True, "Continue to your bank"), (False, "See")])
def test_the_way_to_the_bank_is_offered_while_it_leads_somewhere(
    can_pay: bool, button: str
) -> None:
    waiting = PaymentFacts("Visa ·· 3155", 123_450, PaymentStatus.ACTION_REQUIRED)
    facts = replace(UNPAID, status=OrderStatus.PLACED, payment=waiting, can_pay=can_pay)

    for kind in ("action_required", "hold_expiring"):
        mail = written(kind, facts)

        assert button in mail.html
        assert ("continue to your bank" in mail.text) == can_pay
        assert ("The time to pay has ended" in mail.text) != can_pay


def test_a_cancelled_order_says_what_becomes_of_the_money() -> None:
    cancelled = replace(UNPAID, status=OrderStatus.CANCELLED)
    paid = replace(cancelled, captured_cents=123_450, back_cents=123_450)
    silent = replace(cancelled, bank_is_silent=True)

    assert "Nothing was charged." in written("order_cancelled", cancelled).text
    paid_text = words(written("order_cancelled", paid).text)
    assert "1,234.50 back to Visa ·· 4242." in paid_text
    assert "Nothing was charged" not in paid_text
    silent_text = words(written("order_cancelled", silent).text)
    assert "has not told us yet whether it took any money" in silent_text
    assert "Nothing was charged" not in silent_text


def test_a_parcel_mail_counts_what_is_still_to_come() -> None:
    rest = {n: words(written("order_shipped", replace(FACTS, left_units=n)).text) for n in range(3)}

    assert "everything of your order has been sent" in rest[0]
    assert "1 more thing follows" in rest[1]
    assert "2 more things follow" in rest[2]


def test_a_parcel_mail_links_to_the_carrier_and_names_what_it_knows() -> None:
    assert FACTS.parcel is not None
    nameless = replace(FACTS, parcel=replace(FACTS.parcel, carrier="", tracking_url=""))
    bare = replace(FACTS, parcel=ParcelFacts([MUG], "", "", "", None))
    arrived = replace(FACTS, parcel=replace(FACTS.parcel, delivered_at=AT))

    assert "DHL carries it under the number JD0001." in words(written("order_shipped").text)
    assert "https://carrier.example/JD0001" in written("order_shipped").html
    assert "Its number at the carrier is JD0001." in written("order_shipped", nameless).text
    assert "carrie" not in written("order_shipped", bare).text
    assert "delivered on 29 November 2026" in words(written("order_shipped", arrived).text)


def test_a_return_without_a_refund_says_so() -> None:
    assert FACTS.a_return is not None
    nothing = replace(FACTS, a_return=replace(FACTS.a_return, refund_cents=None, card=""))

    assert "No money goes back for this return." in written("return_received", nothing).text
    assert "56.00 back to Visa ·· 4242" in words(written("return_received").text)


def test_a_mail_that_names_no_row_is_not_written() -> None:
    with pytest.raises(LookupError):
        written("order_shipped", replace(FACTS, parcel=None))

"""Mails in a folder: whole, one file per Message-ID, a clear error when it cannot be written."""

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from orders.gateways.mailer import Mail, send_mail
from tasks.errors import OutcomeUnknown, Permanent, Transient


@pytest.fixture(autouse=True)
def mail_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "orders.gateways.mail_folder.FolderBackend"
    settings.MAIL_DIR = str(tmp_path / "not" / "there" / "yet")
    return Path(settings.MAIL_DIR)


def _mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "recipient": "Zoë Example <zoe@example.org>",
        "subject": "Your order TM-7K2Q9F is paid – thank you",
        "text": "Paid: 49.90 €",
        "html": "<p>Paid: 49.90 €</p>",
        "message_id": "<order-42-paid@shop.example>",
    }
    return Mail(**{**fields, **changes})


def test_a_mail_is_a_file_that_a_mail_program_opens(mail_folder: Path) -> None:
    send_mail(_mail())
    (file,) = mail_folder.iterdir()
    assert file.name == "order-42-paid.eml"
    read = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert read["Message-ID"] == "<order-42-paid@shop.example>"
    assert read["Subject"] == "Your order TM-7K2Q9F is paid – thank you"
    assert "zoe@example.org" in read["To"]
    kinds = {part.get_content_type(): part.get_content() for part in read.iter_parts()}
    assert kinds["text/plain"].strip() == "Paid: 49.90 €"
    assert kinds["text/html"].strip() == "<p>Paid: 49.90 €</p>"


def test_the_same_message_sent_twice_is_one_file(mail_folder: Path) -> None:
    send_mail(_mail())
    send_mail(_mail())
    send_mail(_mail(message_id="<order-43-paid@shop.example>"))
    assert sorted(one.name for one in mail_folder.iterdir()) == [
        "order-42-paid.eml",
        "order-43-paid.eml",
    ]


def test_a_message_id_cannot_lead_out_of_the_folder(mail_folder: Path) -> None:
    send_mail(_mail(message_id="<../../outside@shop.example>"))
    assert [one.parent for one in mail_folder.parents[2].rglob("*.eml")] == [mail_folder]


def test_a_folder_that_cannot_be_written_is_tried_again_later(mail_folder: Path) -> None:
    # A file where the folder should be: refused for root too, unlike a missing permission.
    mail_folder.parent.mkdir(parents=True)
    mail_folder.write_text("in the way")
    with pytest.raises(Transient, match="MAIL_DIR") as raised:
        send_mail(_mail())
    assert not isinstance(raised.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "changes", [{"subject": "two\nlines"}, {"recipient": "a@b\nBcc: c@d"}, {"message_id": "<@>"}]
)
def test_a_mail_that_cannot_be_written_down_goes_to_a_person(
    mail_folder: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(Permanent):
        send_mail(_mail(**changes))
    assert not mail_folder.exists()

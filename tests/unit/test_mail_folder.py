"""A Message-ID becomes a file name that is safe and its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.gateways.mail_folder import mail_file_name


def test_the_left_part_of_the_message_id_is_the_name() -> None:
    assert mail_file_name("<order-42-paid@shop.example>") == "order-42-paid.eml"


@given(st.text(min_size=1).filter(lambda text: text.strip().strip("<>").partition("@")[0]))
def test_no_message_id_leaves_the_folder_or_hides_in_it(message_id: str) -> None:
    name = mail_file_name(message_id)
    assert name.endswith(".eml")
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) <= 255


def test_two_message_ids_that_look_alike_once_made_safe_stay_two_files() -> None:
    assert mail_file_name("<a.b@x>") != mail_file_name("<a/b@x>") != mail_file_name("<a-b@x>")


@pytest.mark.parametrize("message_id", ["", "<>", "<@x>"])
def test_a_mail_without_a_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="no Message-ID"):
        mail_file_name(message_id)

"""Who holds a lease, in words that fit beside it."""

import os

import pytest
from structlog.contextvars import bound_contextvars

from tasks.locks.holder import Holder, describe_here


def test_a_holder_survives_being_written_and_read() -> None:
    with bound_contextvars(task="orders.capture_payment", subject="order:42"):
        holder = Holder.parse(describe_here("a-task-id"))
    assert holder.pid == os.getpid()
    assert (holder.task, holder.task_id) == ("orders.capture_payment", "a-task-id")
    assert holder.subject == "order:42"
    assert holder.since > 1_700_000_000


def test_a_description_never_outgrows_what_nodes_keep() -> None:
    with bound_contextvars(task="t" * 500, subject="s" * 500):
        text = describe_here("i" * 500)
    assert len(text) <= 300
    assert Holder.parse(text).subject == "s" * 60


@pytest.mark.parametrize("text", ["", "a note of somebody else", "[]", "{}", "[1,2]", "null", "7"])
def test_a_description_that_is_not_ours_is_shown_as_it_is(text: str) -> None:
    assert Holder.parse(text).host == text

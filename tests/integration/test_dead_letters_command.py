"""``manage.py dead_letters`` for people at a terminal and for scripts."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tasks.causes import Cause
from tasks.models import DeadLetter, DeadLetterAction, OutboxMessage
from tests.integration.letters import letter

pytestmark = pytest.mark.django_db(transaction=True)


def run(*words: str) -> str:
    out = StringIO()
    call_command("dead_letters", *words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*words: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as error:
        run(*words)
    return error.value.returncode, str(error.value)


def test_the_list_shows_open_ones_and_takes_filters() -> None:
    first = letter(1, cause=Cause.EXHAUSTED)
    letter(2)
    run("discard", str(letter(3).pk), "--reason", "a test order")

    assert [line.split()[0] for line in run("list", "--cause", "exhausted").splitlines()] == [
        str(first.pk)
    ]
    assert run("list", "--status", "any").count("\n") == 3
    assert "order:3" not in run("list")
    assert "1 more; --limit" in run("list", "--limit", "1")
    (line,) = run("list", "--json", "--subject", "order:1").splitlines()
    assert json.loads(line)["cause"] == "exhausted"


def test_show_tells_everything_with_the_traceback_and_the_history() -> None:
    one = letter(1)
    run("redrive", str(one.pk), "--by", "carol", "--reason", "key mended")

    shown = run("show", str(one.pk))
    for said in ("order:1", "payment@host", "trace-1", "Traceback", "carol", "key mended"):
        assert said in shown
    assert json.loads(run("show", str(one.pk), "--json"))["actions"][0]["by"] == "carol"
    assert refused("show", "999") == (3, "There is no dead letter 999.")


def test_redrive_takes_numbers_or_everything_that_filters_choose() -> None:
    one, two = letter(1), letter(2)
    letter(3, cause=Cause.TOO_OLD)

    assert run("redrive", str(one.pk)) == "1 sent again.\n"
    assert run("redrive", "--all", "--cause", "permanent", "--rate", "0.5") == "1 sent again.\n"

    two.refresh_from_db()
    assert two.status == "redriven"
    assert DeadLetter.objects.get(status="open").cause == Cause.TOO_OLD
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["redrive"], 2, "Say which"),
        (["redrive", "1", "--all"], 2, "Say which"),
        (["redrive", "1", "--cause", "poison"], 2, "go with --all"),
        (["redrive", "--all"], 3, "No open dead letter"),
        (["redrive", "999"], 4, "not open"),
        (["redrive", "--all", "--rate", "0"], 1, "no number above zero"),
        (["redrive", "--all", "--rate", "nan"], 1, "no number above zero"),
        (["discard", "--all"], 1, "--reason"),
        (["discard", "1", "--reason", " "], 2, "empty"),
        (["list", "--cause", "bad luck"], 1, "invalid choice"),
        ([], 1, "verb"),
    ],
)
def test_a_mistake_is_told_in_words_and_by_the_exit_code(
    words: list[str], code: int, says: str
) -> None:
    told = refused(*words)

    assert told[0] == code
    assert says in told[1]
    assert not DeadLetterAction.objects.exists()


def test_some_that_cannot_be_sent_do_not_keep_the_others() -> None:
    letter(1, cause=Cause.UNDECODABLE)
    letter(2)

    code, told = refused("redrive", "--all")

    assert code == 4
    assert "nobody knows what to send" in told
    assert OutboxMessage.objects.get().subject == "order:2"

"""What is said of a server that cannot be used."""

import pytest

from ops.stack import probes
from ops.stack.errors import NotReady, StackError

NOBODY = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", f"postgres://user:hush@{NOBODY}/shop"),
        ("DATABASE_URL", "postgres://user:hush@host:port:9/shop"),
        ("DATABASE_URL", "user:hush@host"),
        ("BROKER_URL", f"amqp://user:hush@{NOBODY}//"),
        ("BROKER_URL", "amqp://user:hush@host:many//"),
        ("BROKER_API_URL", f"http://user:hush@{NOBODY}/api"),
        ("BROKER_API_URL", "http://user:hush@host:many/api"),
        ("CACHE_URL", f"redis://:hush@{NOBODY}/0"),
        ("CACHE_URL", "radish://:hush@host"),
        ("LOCK_REDIS_URLS", f"redis://:hush@{NOBODY}/0,redis://:hush@{NOBODY}/1"),
        ("STRIPE_API_BASE", f"http://{NOBODY}"),
    ],
)
def test_the_variable_is_named_and_the_password_is_not(name: str, url: str) -> None:
    with pytest.raises(StackError) as caught:
        probes.check_given({name: url})
    text = str(caught.value)
    assert f"The server that {name} names cannot be used" in text
    assert f"unset {name}" in text
    assert "hush" not in text


def test_waiting_ends_with_the_last_reason() -> None:
    def never() -> None:
        raise NotReady("still asleep")

    with pytest.raises(NotReady, match="still asleep"):
        probes.until(never, 0.0, lambda: None)


def test_waiting_ends_at_once_when_it_cannot_succeed_any_more() -> None:
    def never() -> None:
        raise NotReady("still asleep")

    def over() -> None:
        raise StackError("It ended.")

    with pytest.raises(StackError, match="It ended"):
        probes.until(never, 60.0, over)

"""A setting is right, or start-up says what is wrong with it, without showing secrets."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("THING", raising=False)
    return monkeypatch


def test_a_missing_setting_is_named_with_the_way_on(given: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"THING is not set.*\.env\.example"):
        env.text("THING")


def test_a_blank_setting_counts_as_missing(given: pytest.MonkeyPatch) -> None:
    given.setenv("THING", "   ")

    with pytest.raises(ImproperlyConfigured, match="THING is not set"):
        env.text("THING")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("many", "not a number"),
        ("0", "between 1 and 5"),
        ("6", "between 1 and 5"),
        ("nan", "between 1 and 5"),
    ],
)
def test_a_number_outside_its_range_is_refused(
    given: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    given.setenv("THING", value)

    with pytest.raises(ImproperlyConfigured, match=complaint):
        env.number("THING", 2, low=1, high=5)


def test_a_fraction_is_no_whole_number(given: pytest.MonkeyPatch) -> None:
    given.setenv("THING", "2.5")

    with pytest.raises(ImproperlyConfigured, match="whole number"):
        env.whole("THING", 2, low=1, high=5)


@pytest.mark.parametrize("value", ["maybe", "2", "ja"])
def test_a_flag_is_yes_or_no(given: pytest.MonkeyPatch, value: str) -> None:
    given.setenv("THING", value)

    with pytest.raises(ImproperlyConfigured, match="write 1 or 0"):
        env.flag("THING")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("mysql://h/d", "must start with postgres://"),
        ("postgres://", "names no host"),
        ("postgres://h:port/d", "is not a URL"),
        ("just words", "must start with postgres://"),
    ],
)
def test_a_malformed_url_is_refused(given: pytest.MonkeyPatch, value: str, complaint: str) -> None:
    given.setenv("THING", value)

    with pytest.raises(ImproperlyConfigured, match=complaint):
        env.url("THING", ("postgres",))


def test_the_message_about_a_url_does_not_show_its_password(given: pytest.MonkeyPatch) -> None:
    given.setenv("THING", "mysql://user:hidden-word@h/d")

    with pytest.raises(ImproperlyConfigured) as refusal:
        env.url("THING", ("postgres",))

    assert "hidden-word" not in str(refusal.value)


def test_every_url_of_a_list_is_checked(given: pytest.MonkeyPatch) -> None:
    given.setenv("THING", "redis://a:1, http://b:2")

    with pytest.raises(ImproperlyConfigured, match="must start with redis://"):
        env.urls("THING", ("redis",))


def test_a_choice_is_one_of_its_words(given: pytest.MonkeyPatch) -> None:
    assert env.choice("THING", ("red", "green"), "red") == "red"
    assert env.choice("THING", ("red", "green"), "") == ""
    given.setenv("THING", "green")
    assert env.choice("THING", ("red", "green"), "red") == "green"
    given.setenv("THING", "blue")
    with pytest.raises(ImproperlyConfigured, match="'blue' is not known: write red or green"):
        env.choice("THING", ("red", "green"), "red")


def test_places_are_hosts_with_ports(given: pytest.MonkeyPatch) -> None:
    given.setenv("THING", "zk1:2181, [::1]:2182,10.0.0.3:2183/shop")
    assert env.places("THING") == ["zk1:2181", "[::1]:2182", "10.0.0.3:2183/shop"]
    for bad in ("zk1", "zk1:", ":2181", "zk1:0", "zk1:70000", "zk1:21x"):
        given.setenv("THING", bad)
        with pytest.raises(ImproperlyConfigured, match="is not host:port"):
            env.places("THING")

"""Passwords and keys of a private stack."""

import re

from ops.stack import credentials


def test_two_stacks_share_no_credential() -> None:
    one, other = credentials.complete({}), credentials.complete({})
    assert set(one) == set(other)
    assert not set(one.values()) & set(other.values())


def test_known_credentials_are_kept_and_missing_ones_are_made() -> None:
    completed = credentials.complete({"redis": "known"})
    assert completed["redis"] == "known"
    assert len(completed["postgres"]) >= 32


def test_credentials_need_no_escaping_in_urls_and_configuration_files() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", word) for word in credentials.complete({}).values())


def test_the_payment_key_looks_like_a_test_key() -> None:
    assert credentials.complete({})["stripe"].startswith("sk_test_")

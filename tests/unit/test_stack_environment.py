"""The environment that a private stack gives to the application."""

import re
from pathlib import Path

import pytest

from ops.stack import credentials, environment, given, parts
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT, Layout

LAYOUT = Layout(Path("/var/somewhere/.stack/test"))
PORTS = {name: 20_000 + number for number, name in enumerate(parts.PORT_NAMES)}
SECRETS = credentials.complete({})


def build(urls: dict[str, str] | None = None, **extra: str) -> dict[str, str]:
    wishes = given.from_environment(urls or {})
    return environment.application(LAYOUT, PORTS, SECRETS, wishes, extra)


def setting_names() -> set[str]:
    source = (CHECKOUT / "config" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))


def test_every_setting_without_a_default_is_given() -> None:
    source = (CHECKOUT / "config" / "settings.py").read_text(encoding="utf-8")
    required = set(re.findall(r'env\.text\("([A-Z_]+)"\)', source))
    assert required
    assert required <= set(build())


def test_the_example_file_explains_every_setting_and_no_other() -> None:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", example.split("== 2.")[1], re.MULTILINE))
    assert explained == setting_names()


def test_the_example_file_holds_no_secret() -> None:
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    compose = example.split("== 2.")[0]
    assert all(line.endswith("=") for line in compose.splitlines() if line[:1].isupper())


def test_private_servers_are_used_unless_others_are_given() -> None:
    values = build({"DATABASE_URL": "postgres://elsewhere/shop"})
    assert values["DATABASE_URL"] == "postgres://elsewhere/shop"
    assert f":{PORTS['rabbitmq']}//" in values["BROKER_URL"]


def test_a_given_server_replaces_the_private_part() -> None:
    wishes = given.from_environment({"LOCK_REDIS_URLS": "redis://a/0,redis://b/0,redis://c/0"})
    assert wishes.replaced_parts == set(environment.LOCK_NODES)


def test_a_payment_key_alone_means_the_real_provider() -> None:
    theirs = build({"STRIPE_API_KEY": "a key"})
    assert (theirs["STRIPE_API_BASE"], theirs["STRIPE_WEBHOOK_SECRET"]) == ("", "")


def test_the_sandbox_tells_the_shop_with_the_secret_that_the_shop_knows() -> None:
    own = build()
    assert own["SANDBOX_WEBHOOK_URL"] == f"{own['SITE_URL']}/webhooks/payments/"
    assert own["SANDBOX_WEBHOOK_SECRET"] == own["STRIPE_WEBHOOK_SECRET"] != ""


def test_a_stack_within_a_stack_does_not_take_the_outer_servers_for_a_wish() -> None:
    outer = build()
    assert given.from_environment(outer).urls == {}


def test_a_given_server_stays_given_for_a_stack_within_a_stack() -> None:
    outer = build({"DATABASE_URL": "postgres://elsewhere/shop"})
    assert given.from_environment(outer).urls == {"DATABASE_URL": "postgres://elsewhere/shop"}


@pytest.mark.parametrize("alone", ["BROKER_URL", "BROKER_API_URL", "STRIPE_API_BASE"])
def test_half_of_a_pair_is_refused_with_the_other_halfs_name(alone: str) -> None:
    with pytest.raises(StackError, match=f"{alone} is set and "):
        given.from_environment({alone: "http://x"})


def test_the_callers_changes_win() -> None:
    assert build(HOLD_SECONDS="20")["HOLD_SECONDS"] == "20"


def test_tests_in_their_own_process_have_their_own_virtual_host() -> None:
    values = build()
    assert values["TEST_BROKER_URL"].endswith(f"/{environment.TEST_VHOST}")
    assert values["BROKER_URL"].endswith("//")

"""The sandbox tells the shop what happened: signed, and as badly as a provider may."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.waiting import wait_until
from tests.integration.sandbox_server import SandboxServer, running_sandbox
from tests.integration.webhook_listener import Listener, listening

INTENTS = "/v1/payment_intents"
PAID = "payment_intent.succeeded"


@pytest.fixture(scope="module")
def shop_at_rest() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def sandbox(
    tmp_path_factory: pytest.TempPathFactory, shop_at_rest: Listener
) -> Iterator[SandboxServer]:
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, slow_seconds=0.8, webhook_url=shop_at_rest.url) as server:
        yield server


@pytest.fixture
def shop(sandbox: SandboxServer, shop_at_rest: Listener) -> Iterator[Listener]:
    yield shop_at_rest
    shop_at_rest.status = 200
    sandbox.set_webhooks("normal")
    wait_until(lambda: sandbox.webhooks()["waiting"] == 0, seconds=15)
    shop_at_rest.heard.clear()


def pay(sandbox: SandboxServer, card: str = "pm_card_visa") -> dict[str, str]:
    form = {
        "amount": "500",
        "currency": "eur",
        "confirm": "true",
        "payment_method": card,
        "return_url": "http://127.0.0.1:1/",
        "metadata[payment_id]": "42",
    }
    answer = post(sandbox, INTENTS, form).json()
    intent: dict[str, str] = answer.get("error", {}).get("payment_intent") or answer
    return intent


def post(sandbox: SandboxServer, path: str, form: dict[str, str]) -> httpx.Response:
    return httpx.post(
        f"{sandbox.base_url}{path}",
        data=form,
        headers={
            "Authorization": f"Bearer {sandbox.api_key}",
            "Idempotency-Key": str(uuid.uuid4()),
        },
        trust_env=False,
    )


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("pm_card_visa", [PAID]),
        ("pm_card_visa_chargeDeclined", ["payment_intent.payment_failed"]),
        ("pm_card_authenticationRequired", []),
    ],
)
def test_what_became_of_a_payment_is_told(
    sandbox: SandboxServer, shop: Listener, card: str, told: list[str]
) -> None:
    intent = pay(sandbox, card)
    last = pay(sandbox)
    wait_until(lambda: shop.types(last["id"]) == [PAID])
    assert shop.types(intent["id"]) == told


def test_the_end_of_a_check_and_a_cancellation_are_told(
    sandbox: SandboxServer, shop: Listener
) -> None:
    mine, not_mine, given_up = (pay(sandbox, "pm_card_authenticationRequired") for _ in range(3))
    for intent, is_me in ((mine, True), (not_mine, False)):
        page = f"{sandbox.base_url}/sandbox/3ds/{intent['id']}"
        sandbox.authenticate(page, is_me=is_me)
    post(sandbox, f"{INTENTS}/{given_up['id']}/cancel", {})
    wait_until(lambda: len(shop.heard) == 3)
    assert shop.types(mine["id"]) == [PAID]
    assert shop.types(not_mine["id"]) == ["payment_intent.payment_failed"]
    assert shop.types(given_up["id"]) == ["payment_intent.canceled"]


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ("pm_card_visa", {PAID, "refund.created"}),
        ("pm_sandbox_refund_pending", {PAID, "refund.created", "refund.updated"}),
        ("pm_sandbox_refund_fails", {PAID, "refund.created", "refund.failed"}),
        ("pm_sandbox_refund_refused", {PAID}),
    ],
)
def test_what_became_of_a_refund_is_told(
    sandbox: SandboxServer, shop: Listener, card: str, told: set[str]
) -> None:
    intent = pay(sandbox, card)
    post(sandbox, "/v1/refunds", {"payment_intent": intent["id"], "metadata[refund_id]": "7"})
    wait_until(lambda: set(shop.types(intent["id"])) == told)


def test_in_mode_duplicate_everything_comes_twice(sandbox: SandboxServer, shop: Listener) -> None:
    sandbox.set_webhooks("duplicate")
    intent = pay(sandbox)
    wait_until(lambda: shop.types(intent["id"]) == [PAID, PAID])
    assert len({one.event["id"] for one in shop.heard}) == 1


def test_in_mode_reversed_the_newest_comes_first(sandbox: SandboxServer, shop: Listener) -> None:
    sandbox.set_webhooks("reversed")
    intent = pay(sandbox)
    post(sandbox, "/v1/refunds", {"payment_intent": intent["id"]})
    wait_until(lambda: len(shop.heard) == 2)
    assert shop.types(intent["id"]) == ["refund.created", PAID]


@pytest.mark.parametrize("mode", ["late", "off"])
def test_what_is_held_back_comes_in_the_end(
    sandbox: SandboxServer, shop: Listener, mode: str
) -> None:
    sandbox.set_webhooks(mode)
    intent = pay(sandbox)
    assert sandbox.webhooks()["waiting"] == 1
    assert shop.types(intent["id"]) == []
    if mode == "off":
        sandbox.set_webhooks("normal")
    wait_until(lambda: shop.types(intent["id"]) == [PAID])


def test_a_shop_that_does_not_take_it_is_told_again_and_once_it_has_no_more(
    sandbox: SandboxServer, shop: Listener
) -> None:
    shop.status = 503
    intent = pay(sandbox)
    wait_until(lambda: len(shop.types(intent["id"])) >= 2)
    assert sandbox.webhooks()["waiting"] == 1
    shop.status = 200
    wait_until(lambda: sandbox.webhooks()["waiting"] == 0, seconds=15)
    assert len({one.event["id"] for one in shop.heard}) == 1


def test_a_mode_that_does_not_exist_is_refused(sandbox: SandboxServer) -> None:
    url = f"{sandbox.base_url}/sandbox/webhooks"
    answer = httpx.post(url, json={"mode": "sometimes"}, trust_env=False)
    assert answer.status_code == 400
    assert "reversed" in answer.json()["error"]


def test_a_kill_between_the_movement_and_the_telling_loses_nothing(tmp_path: Path) -> None:
    with listening() as shop, running_sandbox(tmp_path, webhook_url=shop.url) as own:
        own.set_webhooks("off")
        intent = pay(own)
        own.kill()
        assert shop.heard == []
        own.start()
        wait_until(lambda: shop.types(intent["id"]) == [PAID])
        assert own.webhooks() == {"mode": "normal", "waiting": 0, "sent": 1, "given_up": 0}

"""The sandbox keeps the promises that Stripe documents, whatever happens to its process."""

import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.integration.sandbox_server import SandboxServer, running_sandbox

INTENTS = "/v1/payment_intents"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[SandboxServer]:
    with running_sandbox(folder, hang_seconds=30, slow_seconds=1) as server:
        yield server


@pytest.fixture
def api(sandbox: SandboxServer) -> Iterator[httpx.Client]:
    with _client(sandbox) as client:
        yield client
    sandbox.set_mode("ok")


def _client(sandbox: SandboxServer) -> httpx.Client:
    return httpx.Client(
        base_url=sandbox.base_url,
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
        timeout=10,
        trust_env=False,
    )


def _pay(
    api: httpx.Client, key: str | None = None, card: str = "pm_card_visa", amount: int = 500
) -> httpx.Response:
    form = {
        "amount": str(amount),
        "currency": "eur",
        "confirm": "true",
        "payment_method": card,
        "metadata[order_number]": "TM-1",
    }
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(INTENTS, data=form, headers=headers)


def _key() -> str:
    return str(uuid.uuid4())


def test_an_answer_is_replayed_word_by_word_and_marked(api: httpx.Client) -> None:
    key = _key()
    first, again = _pay(api, key), _pay(api, key)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert again.headers["Request-Id"] != first.headers["Request-Id"]


def test_a_refusal_and_a_server_error_are_replayed_too(api: httpx.Client) -> None:
    for token, status in (("pm_card_chargeDeclined", 402), ("pm_sandbox_error_500_kept", 500)):
        key = _key()
        first, again = _pay(api, key, token), _pay(api, key, token)
        assert first.status_code == again.status_code == status
        assert first.content == again.content
        assert again.headers["Idempotent-Replayed"] == "true"


def test_a_request_refused_before_it_began_does_not_use_up_its_key(api: httpx.Client) -> None:
    key = _key()
    assert _pay(api, key, "pm_none").status_code == 400
    assert _pay(api, key).status_code == 200


def test_a_key_reused_with_other_parameters_or_elsewhere_is_an_error(api: httpx.Client) -> None:
    key = _key()
    intent = _pay(api, key).json()["id"]
    other_amount = _pay(api, key, amount=501)
    elsewhere = api.post(
        "/v1/refunds", data={"payment_intent": intent}, headers={"Idempotency-Key": key}
    )
    for answer in (other_amount, elsewhere):
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "idempotency_error"


def test_twenty_requests_at_once_with_one_key_are_one_movement(sandbox: SandboxServer) -> None:
    key, start = _key(), threading.Barrier(20)

    def pay() -> httpx.Response:
        with _client(sandbox) as api:
            start.wait(10)
            return _pay(api, key)

    with ThreadPoolExecutor(20) as pool:
        answers = [one.result(30) for one in [pool.submit(pay) for _ in range(20)]]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.is_success}) == 1
    assert [one["idempotency_key"] for one in sandbox.movements()].count(key) == 1


def test_a_key_that_is_still_running_is_a_conflict_and_the_first_request_wins(
    sandbox: SandboxServer,
) -> None:
    key = _key()

    def pay() -> httpx.Response:
        with _client(sandbox) as api:
            return _pay(api, key, "pm_sandbox_slow")

    with ThreadPoolExecutor(4) as pool:
        answers = [one.result(30) for one in [pool.submit(pay) for _ in range(4)]]
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 3}
    conflict = next(answer for answer in answers if answer.status_code == 409)
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"


def test_who_hangs_does_not_hold_up_the_others(sandbox: SandboxServer, api: httpx.Client) -> None:
    for token in ("pm_sandbox_timeout_before", "pm_sandbox_timeout_after"):
        with _client(sandbox) as impatient:
            impatient.timeout = httpx.Timeout(0.3)
            with pytest.raises(httpx.ReadTimeout):
                _pay(impatient, _key(), token)
    assert _pay(api, _key()).elapsed.total_seconds() < 1


def test_a_kill_at_any_moment_loses_no_answer_and_doubles_no_movement(tmp_path: Path) -> None:
    keys = [_key() for _ in range(120)]
    told: dict[str, str] = {}
    enough = threading.Event()
    with running_sandbox(tmp_path) as sandbox:

        def pay(key: str) -> None:
            try:
                with _client(sandbox) as api:
                    told[key] = _pay(api, key).json()["id"]
            except httpx.TransportError:
                return  # killed under way: it may or may not have moved
            if len(told) >= 30:
                enough.set()

        with ThreadPoolExecutor(6) as pool:
            for key in keys:
                pool.submit(pay, key)
            assert enough.wait(30)
            sandbox.kill()
        assert len(told) < len(keys)
        sandbox.start()
        moved = Counter(one["idempotency_key"] for one in sandbox.movements())
        assert set(told) <= set(moved)
        with _client(sandbox) as api:
            after = {key: _pay(api, key).json()["id"] for key in keys}
        assert {key: after[key] for key in told} == told
        assert Counter(one["idempotency_key"] for one in sandbox.movements()) == Counter(keys)


def test_a_movement_can_neither_be_changed_nor_taken_away(api: httpx.Client, folder: Path) -> None:
    _pay(api, _key())
    books = sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None)
    try:
        for statement in ("UPDATE movements SET amount_cents = 1", "DELETE FROM movements"):
            with pytest.raises(sqlite3.IntegrityError, match="a movement never"):
                books.execute(statement)
    finally:
        books.close()


def test_a_refund_never_exceeds_the_capture_even_in_parts_and_at_once(
    sandbox: SandboxServer,
) -> None:
    with _client(sandbox) as api:
        intent = _pay(api, _key(), amount=500).json()["id"]

    def refund(_number: int) -> int:
        with _client(sandbox) as api:
            form = {"payment_intent": intent, "amount": "200"}
            return api.post("/v1/refunds", data=form).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = Counter(pool.map(refund, range(4)))
    assert statuses == {200: 2, 400: 2}
    with _client(sandbox) as api:
        rest = api.post("/v1/refunds", data={"payment_intent": intent})
        nothing = api.post("/v1/refunds", data={"payment_intent": intent})
        refunds = api.get("/v1/refunds", params={"payment_intent": intent}).json()["data"]
        (charge,) = [
            one for one in api.get("/v1/charges").json()["data"] if one["payment_intent"] == intent
        ]
    assert rest.json()["amount"] == 100
    assert nothing.json()["error"]["code"] == "charge_already_refunded"
    assert sum(one["amount"] for one in refunds) == charge["amount_refunded"] == 500


def test_a_refused_card_has_nothing_to_refund(api: httpx.Client) -> None:
    error = _pay(api, _key(), "pm_card_chargeDeclined").json()["error"]
    assert error["payment_intent"]["status"] == "requires_payment_method"
    answer = api.post("/v1/refunds", data={"payment_intent": error["payment_intent"]["id"]})
    assert answer.status_code == 400


def test_only_what_has_not_paid_can_be_cancelled(api: httpx.Client) -> None:
    paid = _pay(api, _key()).json()["id"]
    waiting = _pay(api, _key(), "pm_card_authenticationRequired").json()["id"]
    assert api.post(f"{INTENTS}/{paid}/cancel").status_code == 400
    assert api.post(f"{INTENTS}/{waiting}/cancel").json()["status"] == "canceled"
    assert api.get(f"{INTENTS}/{waiting}").json()["status"] == "canceled"
    assert api.post(f"{INTENTS}/pi_none/cancel").status_code == 404


def test_a_list_is_walked_page_by_page_newest_first(api: httpx.Client) -> None:
    made = [_pay(api, _key()).json()["id"] for _ in range(6)]
    seen: list[str] = []
    for _ in range(3):
        params = {"limit": "2", "expand[]": "data.latest_charge"}
        if seen:
            params["starting_after"] = seen[-1]
        data = api.get(INTENTS, params=params).json()["data"]
        assert [one["latest_charge"]["object"] for one in data] == ["charge", "charge"]
        seen += [one["id"] for one in data]
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer sk_test_stranger"}, 401), ({"Authorization": "x"}, 401)],
)
def test_without_the_right_key_nothing_is_told(
    sandbox: SandboxServer, headers: dict[str, str], status: int
) -> None:
    answer = httpx.get(f"{sandbox.base_url}{INTENTS}", headers=headers, trust_env=False)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ("currency=eur&confirm=true&payment_method=pm_card_visa", "amount"),
        ("amount=-5&currency=eur&confirm=true&payment_method=pm_card_visa", "amount"),
        ("amount=5.0&currency=eur&confirm=true&payment_method=pm_card_visa", "amount"),
        ("amount=5&currency=e1r&confirm=true&payment_method=pm_card_visa", "currency"),
        ("amount=5&currency=eur&payment_method=pm_card_visa", "confirm"),
        ("amount=5&currency=eur&confirm=true&payment_method=pm_card_visa&colour=red", "colour"),
        ("amount[x]=5&currency=eur&confirm=true&payment_method=pm_card_visa", "amount"),
        (
            "amount=5&currency=eur&confirm=true&payment_method=pm_card_visa&return_url=/here",
            "return_url",
        ),
        (
            "amount=5&currency=eur&confirm=true&payment_method=pm_card_visa"
            "&payment_method_types[]=card",
            "payment_method_types",
        ),
    ],
)
def test_a_wrong_parameter_is_named(api: httpx.Client, form: str, param: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api.post(INTENTS, content=form, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("body", ["a[b=1", "[a]=1", "a[b][c][d][e][f]=1", "a=1&a[b]=2", "\xff%"])
def test_broken_brackets_are_a_clear_error(api: httpx.Client, body: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api.post(INTENTS, content=body.encode("latin-1"), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_an_unknown_url_and_an_unknown_object_are_404(api: httpx.Client) -> None:
    for path in (f"{INTENTS}/pi_none", "/v1/tokens"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_mode_that_does_not_exist_is_refused(sandbox: SandboxServer) -> None:
    url = f"{sandbox.base_url}/sandbox/mode"
    assert httpx.post(url, json={"mode": "sleepy"}, trust_env=False).status_code == 400
    assert httpx.post(url, data={"mode": "down"}, trust_env=False).status_code == 400


def test_the_page_for_people_escapes_what_came_from_outside(
    sandbox: SandboxServer, api: httpx.Client
) -> None:
    form = {
        "amount": "123456",
        "currency": "eur",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "metadata[order_number]": "<script>alert(1)</script>",
    }
    assert api.post(INTENTS, data=form).status_code == 200
    page = httpx.get(f"{sandbox.base_url}/", trust_env=False).text
    assert "1,234.56 EUR" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page

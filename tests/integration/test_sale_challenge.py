"""A sale with a challenge lets in who has solved it, and asks the gate for nobody else."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from ops.rehearse.challenge import solve
from shop.flash_sales.gate import Gate
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.states import OnLostGate
from tests.integration.desk import document, staff
from tests.integration.gates import units
from tests.integration.sale_visitor import at, facts_of, forget_everything
from tests.integration.sales import gated, open_item
from tests.integration.shop_visitor import Page, Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings, tmp_path: Path) -> None:
    forget_everything(settings, tmp_path)


@pytest.fixture
def item() -> SaleItem:
    return open_item(1, challenge_work=2_000_000)


@pytest.fixture
def gate(item: SaleItem) -> Iterator[Gate]:
    with gated(item) as built:
        yield built


def easy(item: SaleItem) -> SaleItem:
    """Of the same sale a task that a test can solve."""
    item.sale.challenge_work = 50
    item.sale.save()
    return item


def task_at_door(item: SaleItem, visitor: Visitor) -> tuple[dict[str, str], str]:
    """The form of the door as it is drawn, and its task."""
    page = visitor.get(at(item))
    form = page.root.get_element_by_id("enter")
    return page.form("enter"), str(form.get("data-task"))


def solved(item: SaleItem, visitor: Visitor) -> dict[str, str]:
    form, task = task_at_door(item, visitor)
    salt, target, work = task.split(":")
    return form | {"solution": solve(salt, target, int(work))}


def is_refused(page: Page) -> bool:
    return (page.status, "not solved the small task" in page.words) == (403, True)


def test_whoever_has_solved_the_task_gets_a_ticket(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()

    page = visitor.post(at(item, "enter/"), solved(easy(item), visitor))

    assert page.location == at(item, "ticket/")
    assert Ticket.objects.count() == 1


def test_a_form_as_browsers_send_it_carries_the_solution(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    right = solved(easy(item), visitor)

    def send(form: dict[str, str]) -> int:
        kind = "application/x-www-form-urlencoded"
        path = at(item, "enter/")
        return visitor.client.post(path, urlencode(form), content_type=kind).status_code

    assert send(right | {"solution": "wrong"}) == 403
    assert send(right) == 303
    assert Ticket.objects.count() == 1


@pytest.mark.parametrize("solution", ["", "1", "99999999999", "no number", "\x00", "ä" * 9_000])
def test_a_wrong_solution_is_refused_with_the_reason_and_asks_neither_gate_nor_database(
    item: SaleItem, gate: Gate, solution: str
) -> None:
    visitor = Visitor()
    form, _ = task_at_door(item, visitor)
    with CaptureQueriesContext(connection) as queries:
        page = visitor.post(at(item, "enter/"), form | {"solution": solution})

    assert is_refused(page)
    # Counted and logged with its reason; nothing else happened at the gate.
    assert gate.counts() == {"challenge": 1}
    assert gate.refusals()[0].reason == "challenge"
    assert (gate.line_length(), units(gate)) == (0, (1, 0, 0))
    assert len(queries) == 0


def test_the_console_draws_who_was_refused_for_it(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    form, _ = task_at_door(item, visitor)
    visitor.post(at(item, "enter/"), form)

    console = staff("clerk").get(f"/admin/flash_sales/flashsale/{item.sale_id}/console/")

    (refusals,) = document(console).xpath("//figure[contains(., 'Refusals each second')]")
    assert "challenge" in refusals.text_content()


def test_a_missing_solution_is_refused_as_json_too(item: SaleItem, gate: Gate) -> None:
    visitor = Visitor()
    form, _ = task_at_door(item, visitor)
    form.pop("solution")

    answer = visitor.post(at(item, "enter/"), form, accept="application/json")

    assert answer.status == 403
    assert (facts_of(answer)["said"], facts_of(answer)["why"]) == ("refused", "challenge")


def test_the_solution_of_another_person_is_refused(item: SaleItem, gate: Gate) -> None:
    easy(item)
    item.sale.challenge_work = 20_000  # two persons hardly ever have the same number
    item.sale.save()
    ada, bob = Visitor(), Visitor()
    lent = solved(item, ada)["solution"]
    form, _ = task_at_door(item, bob)

    assert is_refused(bob.post(at(item, "enter/"), form | {"solution": lent}))
    assert ada.post(at(item, "enter/"), solved(item, ada)).location == at(item, "ticket/")


def test_the_door_as_json_has_the_task_and_none_when_there_is_no_challenge(item: SaleItem) -> None:
    visitor = Visitor()
    door = facts_of(visitor.get(at(easy(item)), accept="application/json"))

    solution = solve(**door["challenge"])

    assert int(solution) < door["challenge"]["work"] == 50
    plain = facts_of(Visitor().get(at(open_item(1)), accept="application/json"))
    assert plain["challenge"] is None


def test_a_reload_has_the_same_task_and_another_person_another(item: SaleItem) -> None:
    ada, bob = Visitor(), Visitor()

    assert task_at_door(item, ada) == task_at_door(item, ada)
    assert task_at_door(item, ada)[1] != task_at_door(item, bob)[1]


def test_the_door_is_shut_without_javascript_and_says_so(item: SaleItem) -> None:
    door = Visitor().get(at(item))
    page = Visitor().get(f"/sale/{item.sale.slug}/")
    [door_hint], [page_hint] = (one.root.xpath("//main//noscript") for one in (door, page))

    assert door.root.get_element_by_id("get-one").get("disabled") is not None
    assert "needs JavaScript" in door_hint.text_content()
    assert "needs JavaScript" in page_hint.text_content()


def test_a_sale_without_a_challenge_is_as_it_was() -> None:
    plain = open_item(1)
    page = Visitor().get(at(plain))

    assert page.root.get_element_by_id("get-one").get("disabled") is None
    assert set(page.form("enter")) == {"entry"}
    assert "noscript" not in page.text
    assert "challenge.js" not in page.text


def test_whoever_shows_a_place_is_not_asked_again(item: SaleItem, gate: Gate) -> None:
    first, second = Visitor(), Visitor()
    first.post(at(item, "enter/"), solved(easy(item), first))
    second.post(at(item, "enter/"), solved(item, second))
    waiting = second.get(at(item, "line/"))

    assert "You are next" in waiting.words
    assert set(waiting.form("enter")) == {"entry"}
    again = second.post(at(item, "enter/"), waiting.form("enter"))
    assert again.location == at(item, "line/")


def test_who_clicked_in_a_pause_has_the_task_at_hand_when_it_goes_on(
    item: SaleItem, gate: Gate
) -> None:
    visitor = Visitor()
    gate.change(status="paused")
    visitor.post(at(item, "enter/"), solved(easy(item), visitor))
    waiting = visitor.get(at(item, "line/"))
    gate.change(status="open")

    salt, target, work = str(waiting.root.get_element_by_id("enter").get("data-task")).split(":")
    form = waiting.form("enter") | {"solution": solve(salt, target, int(work))}
    assert visitor.post(at(item, "enter/"), form).location == at(item, "ticket/")


def test_without_its_gate_no_unit_is_had_by_a_poll_instead_of_a_click() -> None:
    item = easy(open_item(1, on_lost_gate=OnLostGate.DATABASE, challenge_work=50))
    Gate(item.sale_id, item.pk).drop()
    visitor = Visitor()
    form = solved(item, visitor)

    answer = facts_of(visitor.get(at(item, "line/"), accept="application/json"))

    assert answer["said"] == "not_in_line"
    assert Ticket.objects.count() == 0
    assert visitor.post(at(item, "enter/"), form).location == at(item, "ticket/")

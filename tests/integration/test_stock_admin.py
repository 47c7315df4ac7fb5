"""The shelf in the back office: what it shows is recomputed, what it does is in the ledger."""

import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.db.models import F
from django.test import Client
from django.urls import reverse
from lxml import html

from orders.models import StockItem, StockMovement
from orders.services.cancellation import cancel_order
from orders.services.fulfilment import deduct_inventory
from orders.services.payment import capture_payment
from orders.services.shelf import correct_stock, receive_stock, write_off
from orders.stock_books import books_of, with_books
from tests.integration.desk import plain_files, staff
from tests.integration.shopping import lease_on, placed, units

pytestmark = pytest.mark.django_db

LIST = "admin:orders_stockitem_changelist"
IMPORT = "admin:orders_stockitem_import"


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


def document(page: Any) -> Any:
    return html.fromstring(page.content.decode())


def text(page: Any) -> str:
    return " ".join(str(document(page).text_content()).split())


def books(page: Any) -> list[tuple[str, str]]:
    """(right or wrong, the words) for each SKU that is shown."""
    return [
        (cell.get("data-books"), " ".join(cell.text_content().split()))
        for cell in document(page).xpath("//*[@data-books]")
    ]


def change_url(sku: str) -> str:
    return reverse("admin:orders_stockitem_change", args=[StockItem.objects.get(sku=sku).pk])


def move_url(verb: str, sku: str = "") -> str:
    if not sku:
        return reverse(f"admin:orders_stockitem_{verb}")
    return reverse(f"admin:orders_stockitem_{verb}", args=[StockItem.objects.get(sku=sku).pk])


def busy_shelf() -> None:
    """20 received, 2 of a paid order gone, 1 of a cancelled one back, 1 held, 3 lost, 2 broken."""
    receive_stock("MUG", 5, "test", actor="test")
    for cancelled in (False, False, True):
        order = placed()
        with lease_on(order) as lease:
            capture_payment(order.pk, order.payments.get().pk, lease)
            deduct_inventory(order.pk, lease)
        if cancelled:
            cancel_order(order.pk, actor="test", reason="test")
    placed(stock=5)
    correct_stock("MUG", -3, "counted", actor="test")
    write_off("MUG", 2, "broken", actor="test")


# -- what it shows ---------------------------------------------------------------


def test_the_equation_is_shown_and_right_whatever_has_happened() -> None:
    client = staff("clerk")
    busy_shelf()

    page = client.get(reverse(LIST))

    assert books(page) == [("right", "25 = 2 sold + 18 on the shelf + 2 written off + 3 corrected")]
    assert units("MUG") == (18, 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"on_hand": F("on_hand") + 1}, "The ledger says 4 on the shelf, the shelf 5"),
        ({"held": F("held") + 1}, "Orders keep 0, the shelf says 1 held"),
    ],
)
def test_an_equation_that_does_not_hold_is_red_and_says_what_is_wrong(
    fault: dict[str, Any], words: str
) -> None:
    client = staff("clerk")
    receive_stock("MUG", 4, "test")
    receive_stock("CUP", 4, "test")
    StockItem.objects.filter(sku="MUG").update(**fault)

    shown = books(client.get(reverse(LIST)))

    assert [state for state, _ in shown] == ["right", "wrong"]
    assert words in shown[1][1]
    assert "manage.py audit" in shown[1][1]


def test_the_books_of_a_page_are_one_statement() -> None:
    for number in range(20):
        receive_stock(f"SKU{number}", 1, "test")

    before = len(connection.queries_log)
    connection.force_debug_cursor = True
    try:
        found = [books_of(item) for item in with_books(StockItem.objects.all())]
        statements = len(connection.queries_log) - before
    finally:
        connection.force_debug_cursor = False

    assert statements == 1
    assert len(found) == 20
    assert all(one.is_right and one.received == 1 for one in found)


@pytest.mark.django_db(transaction=True)
def test_a_sale_in_between_never_makes_the_books_look_wrong() -> None:
    receive_stock("MUG", 5, "test")
    over = threading.Event()

    def sell() -> None:
        try:
            while not over.is_set():
                receive_stock("MUG", 1, "test")
                correct_stock("MUG", -1, "test", actor="test")
        finally:
            connections["default"].close()

    thread = threading.Thread(target=sell)
    thread.start()
    try:
        seen = [books_of(with_books(StockItem.objects.all()).get()) for _ in range(100)]
    finally:
        over.set()
        thread.join(timeout=30)

    assert all(one.is_right for one in seen)
    assert len({one.received for one in seen}) > 1


def test_the_page_of_a_sku_shows_who_moved_what_and_why() -> None:
    client = staff("clerk")
    busy_shelf()

    shown = text(client.get(change_url("MUG")))

    for told in ("counted", "broken", "-3", "corrected", "damaged", "deducted", "returned"):
        assert told in shown


# -- what it does ----------------------------------------------------------------


def send(client: Client, verb: str, sku: str, units: int | str, **given: str) -> Any:
    """Open the form and send it."""
    asked = client.get(move_url(verb, "" if verb == "receive_any" else sku))
    (form,) = document(asked).xpath("//form[@id='stock-move']")
    fields = {**dict(form.form_values()), "quantity": str(units), "reason": "Counted twice"}
    if verb == "receive_any":
        fields["sku"] = sku
    return client.post(asked.request["PATH_INFO"], {**fields, **given}, follow=True)


def ledger(sku: str) -> list[tuple[str, int, str, str]]:
    rows = StockMovement.objects.filter(sku=sku).order_by("pk")
    return [(row.kind, row.quantity, row.actor, row.reason) for row in rows]


def test_staff_receive_correct_and_write_off_with_name_and_reason() -> None:
    client = staff("manager")

    page = send(client, "receive_any", "MUG", 10)
    assert page.redirect_chain[0][0] == change_url("MUG")
    assert "10 on the shelf, 10 can be sold" in text(page)
    send(client, "receive", "MUG", 2)
    send(client, "correct", "MUG", -3)
    send(client, "write_off", "MUG", 1)

    assert ledger("MUG") == [
        ("received", 10, "staff manager", "Counted twice"),
        ("received", 2, "staff manager", "Counted twice"),
        ("corrected", -3, "staff manager", "Counted twice"),
        ("damaged", -1, "staff manager", "Counted twice"),
    ]
    assert units("MUG") == (8, 0)


def test_a_form_that_is_sent_twice_moves_once() -> None:
    client = staff("clerk")
    receive_stock("MUG", 1, "test")
    key = str(uuid4())

    for _ in range(2):
        send(client, "receive", "MUG", 5, form_key=key)

    assert units("MUG") == (6, 0)


def test_units_that_orders_hold_cannot_be_taken_and_nothing_is_changed() -> None:
    client = staff("manager")
    placed(stock=3)

    page = send(client, "write_off", "MUG", 3)

    assert page.status_code == 409
    assert "only 2 are not kept for an order" in text(page)
    assert units("MUG") == (3, 1)


@pytest.mark.parametrize(
    ("verb", "quantity", "given", "words"),
    [
        ("receive", 0, {}, "0 units change nothing"),
        ("receive", -1, {}, "Give 1 or more"),
        ("correct", 1, {"reason": ""}, "This field is required"),
        ("receive", "many", {}, "Enter a whole number"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    verb: str, quantity: int | str, given: dict[str, str], words: str
) -> None:
    client = staff("manager")
    receive_stock("MUG", 1, "test")

    page = send(client, verb, "MUG", quantity, **given)

    assert page.status_code in (409, 422)
    assert words in text(page)
    assert units("MUG") == (1, 0)


def test_who_may_not_correct_sees_no_button_and_is_refused() -> None:
    client = staff("clerk")
    receive_stock("MUG", 1, "test")

    page = client.get(change_url("MUG"))

    assert move_url("receive", "MUG") in page.content.decode()
    assert move_url("correct", "MUG") not in page.content.decode()
    for verb in ("correct", "write_off"):
        assert client.get(move_url(verb, "MUG")).status_code == 403
        assert client.post(move_url(verb, "MUG"), {"quantity": 1}).status_code == 403
    assert client.post(change_url("MUG"), {"low_at": 3}).status_code == 403
    assert StockItem.objects.get().low_at == 0


def test_the_mark_for_low_stock_is_all_that_the_form_changes() -> None:
    client = staff("manager")
    receive_stock("MUG", 4, "test")
    item = StockItem.objects.get()

    client.post(change_url("MUG"), {"low_at": "2", "on_hand": "99", "held": "1", "sku": "CUP"})

    item.refresh_from_db()
    assert (item.sku, item.on_hand, item.held, item.low_at) == ("MUG", 4, 0, 2)


# -- files -----------------------------------------------------------------------


def upload(client: Client, content: str | bytes) -> Any:
    raw = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("stock.csv", raw, "text/csv")
    return client.post(reverse(IMPORT), {"import_file": file, "format": "0", "resource": "0"})


def confirm(client: Client, preview: Any) -> Any:
    url = reverse("admin:orders_stockitem_process_import")
    (form,) = document(preview).xpath(f"//form[@action='{url}']")
    return client.post(url, dict(form.form_values()), follow=True)


def may_confirm(preview: Any) -> bool:
    return bool(document(preview).xpath("//form[contains(@action, 'process_import')]"))


FILE = (
    "sku,action,quantity,reason\r\n"
    "MUG,receive,10,Delivery 4711\r\n"
    "NEW,receive,1,\r\n"
    "MUG,correct,-2,Counted\r\n"
    "MUG,write_off,1,Broken\r\n"
)


def test_a_file_is_looked_at_first_then_done_and_done_once() -> None:
    client = staff("manager")
    receive_stock("MUG", 1, "test")

    preview = upload(client, FILE)

    assert units("MUG") == (1, 0)
    assert not StockItem.objects.filter(sku="NEW").exists()
    rows = [
        [" ".join(cell.text_content().split()) for cell in row.xpath("td")][1:]
        for row in document(preview).xpath("//table[contains(@class,'preview')]//tbody/tr")
    ]
    assert rows == [
        ["MUG", "receive", "10", "Delivery 4711", "11"],
        ["NEW", "receive", "1", "", "1 (new SKU)"],
        ["MUG", "correct", "-2", "Counted", "9"],
        ["MUG", "write_off", "1", "Broken", "8"],
    ]

    assert "4 rows imported." in text(confirm(client, preview))

    assert units("MUG") == (8, 0)
    assert ledger("MUG")[1:] == [
        ("received", 10, "staff manager", "Delivery 4711"),
        ("corrected", -2, "staff manager", "Counted"),
        ("damaged", -1, "staff manager", "Broken"),
    ]
    # The same again, as another editor saves it.
    again = upload(client, "\ufeff" + FILE.replace("\r\n", "\n"))
    assert "done already" in text(again)
    assert "0 rows imported. 4 were imported before." in text(confirm(client, again))
    assert units("MUG") == (8, 0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("MUG,write_off,100,Gone", "line 3, quantity: 100 units cannot go, only 2"),
        ("MUG,receive,-1,", "line 3, quantity: Only a correction can be negative"),
        ("MUG,receive,1.5,", "line 3, quantity: '1.5' is not a whole number"),
        ("MUG,receive,0,", "line 3, quantity: Write a number from 1"),
        ("MUG,steal,1,", "line 3, action: 'steal' is not known. Write receive, correct, write_off"),
        ("MUG,correct,1,", "line 3, reason: Say why"),
        (",receive,1,", "line 3, sku: Name the SKU"),
        ("CAP,correct,1,Counted", "line 3, sku: CAP has never been in stock"),
    ],
)
def test_a_wrong_row_rejects_the_whole_file_and_names_its_line(row: str, words: str) -> None:
    client = staff("manager")
    receive_stock("MUG", 1, "test")

    preview = upload(client, f"sku,action,quantity,reason\nMUG,receive,1,fine\n{row}\n")

    assert words in text(preview)
    assert not may_confirm(preview)
    assert units("MUG") == (1, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("sku,quantity\nMUG,1\n", "Missing: action, reason"),
        ("sku;action;quantity;reason\nMUG;receive;1;\n", "separated by commas"),
        ("sku,action,quantity,reason\n", "has 0 rows"),
        ("sku,action,quantity,reason\n" + "MUG,receive,1,\n" * 501, "has 501 rows"),
        ("sku,action,quantity,reason\nMUG,receive\n", "Line 2 has another number of cells"),
        (b"\xff\xfe\x00sku", "no CSV in UTF-8"),
        ("sku,action,quantity,reason\nMUG,receive,1," + "x" * 300_000, "larger than 256 KiB"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(content: str | bytes, words: str) -> None:
    client = staff("manager")

    page = upload(client, content)

    assert words in text(page)
    assert not may_confirm(page)


def test_a_shelf_that_changed_since_the_preview_rejects_the_whole_file() -> None:
    client = staff("manager")
    receive_stock("MUG", 5, "test")
    file = "sku,action,quantity,reason\nCUP,receive,3,\nMUG,write_off,5,Fire\n"
    preview = upload(client, file)
    assert may_confirm(preview)
    placed(stock=1)  # one unit is held now
    StockItem.objects.filter(sku="MUG").update(on_hand=F("on_hand") - 1)

    page = confirm(client, preview)

    assert "line 3, quantity: 5 units cannot go, only 4" in text(page)
    assert "Nothing was imported" in text(page)
    assert not StockItem.objects.filter(sku="CUP").exists()


def test_a_file_that_was_forgotten_between_upload_and_confirmation_is_asked_for_again() -> None:
    client = staff("manager")
    url = reverse("admin:orders_stockitem_process_import")
    given = {"import_file_name": uuid4().hex, "original_file_name": "a.csv", "format": "0"}

    page = client.post(url, {**given, "resource": "0"}, follow=True)

    assert "send it again" in text(page)


def test_who_may_only_receive_may_not_correct_by_file() -> None:
    client = staff("clerk")
    receive_stock("MUG", 5, "test")
    receiving = "sku,action,quantity,reason\nMUG,receive,3,\n"

    refused = upload(client, receiving + "MUG,correct,3,Counted\n")
    assert "line 3, action: You may not do this" in text(refused)
    assert not may_confirm(refused)

    confirm(client, upload(client, receiving))
    assert units("MUG") == (8, 0)


def test_who_may_not_receive_may_not_import() -> None:
    client = staff("auditor")

    assert client.get(reverse(LIST)).status_code == 200
    assert client.get(reverse(IMPORT)).status_code == 403
    assert client.post(reverse("admin:orders_stockitem_process_import")).status_code == 403
    assert client.get(move_url("receive_any")).status_code == 403

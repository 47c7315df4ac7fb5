"""Invoices and packing slips: one number each without gaps, on paper what was sold."""

import socket
import subprocess
import sys
import threading
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from pypdf import PdfReader
from pytest_django import Settings

from orders.errors import Busy, NotInvoiceable, PaperUnavailable
from orders.gateways import pdf
from orders.locks import lock_invoice_numbers
from orders.models import Invoice, Order, Shipment, ShipmentLine
from orders.services import papers
from orders.services.invoice import contained_vat, issue_invoice
from tests.integration.shop_visitor import Visitor
from tests.integration.test_mails import packed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def text_of(content: bytes) -> str:
    pages = PdfReader(BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_an_order_has_one_invoice_however_often_it_is_asked_for() -> None:
    order = packed()

    assert issue_invoice(order.pk) == issue_invoice(order.pk)
    assert list(order.timeline.filter(kind="invoiced").values_list("text", flat=True)) == [
        "Invoice 1 drawn."
    ]


def test_numbers_have_no_gap_when_many_are_drawn_at_once() -> None:
    orders = [packed() for _ in range(8)]
    # Each is asked for twice, by two that meet.
    start = threading.Barrier(2 * len(orders))
    drawn: list[int] = []

    def draw(order: Order) -> None:
        try:
            start.wait(timeout=10)
            drawn.append(issue_invoice(order.pk).number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=draw, args=[order]) for order in orders * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(drawn) == sorted([*range(1, 9), *range(1, 9)])
    in_order = Invoice.objects.order_by("number")
    assert [item.number for item in in_order] == list(range(1, 9))
    days = [item.issued_at for item in in_order]
    assert days == sorted(days)


def test_a_number_whose_transaction_failed_is_drawn_by_the_next() -> None:
    first, second = packed(), packed()

    with pytest.raises(RuntimeError), transaction.atomic():
        issue_invoice(first.pk)
        raise RuntimeError

    assert issue_invoice(second.pk).number == 1


def test_numbers_that_cannot_be_had_in_time_say_busy_and_change_nothing() -> None:
    order = packed()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_invoice_numbers()
            held.set()
            done.wait(timeout=10)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(timeout=10)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    try:
        with pytest.raises(Busy):
            issue_invoice(order.pk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3000ms'")
        done.set()
        holder.join(timeout=10)
    assert not Invoice.objects.exists()


@pytest.mark.parametrize(
    "state",
    [
        {"status": "placed", "fulfilment": "unfulfilled"},
        {"status": "paid", "fulfilment": "unfulfilled"},
        {"status": "cancelled"},
    ],
)
def test_no_invoice_is_drawn_before_packing_or_after_cancelling(state: dict[str, str]) -> None:
    order = packed()
    Order.objects.update(**state)

    with pytest.raises(NotInvoiceable):
        issue_invoice(order.pk)
    page = Visitor().get(f"/orders/{order.token}/invoice/")

    assert page.status == 409
    assert "paid and packed" in page.words
    assert not Invoice.objects.exists()


def test_an_invoice_stays_as_it_was_drawn(settings: Settings) -> None:
    order = packed()
    invoice = issue_invoice(order.pk)
    before = papers.invoice_html(invoice)

    settings.SHOP_ADDRESS, settings.VAT_PERCENT = "Another Shop, Elsewhere", 7
    Order.objects.update(ship_to_name="Somebody Else", status="cancelled")
    order.lines.update(title="Another thing")

    assert papers.invoice_html(issue_invoice(order.pk)) == before


@pytest.mark.parametrize(
    ("gross", "percent", "vat"),
    [(11_900, "19", 1_900), (1_000, "19", 160), (10_700, "7", 700), (999, "0", 0), (1, "19", 0)],
)
def test_vat_is_contained_in_the_price(gross: int, percent: str, vat: int) -> None:
    assert contained_vat(gross, Decimal(percent)) == vat


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Invoice 000001", "1 Thing MUG", "19 % VAT", "€ 1.60", "€ 10.00", "Germany"]),
        ("de", ["Rechnung 000001", "Thing MUG", "19 % MwSt.", "1,60 €", "10,00 €", "Deutschland"]),
    ],
)
def test_the_pdf_holds_what_the_page_holds(language: str, words: list[str]) -> None:
    order = packed(language)
    visitor = Visitor()

    page = visitor.get(f"/orders/{order.token}/invoice/")
    response = visitor.client.get(f"/orders/{order.token}/invoice.pdf")

    assert response.headers["Content-Type"] == "application/pdf"
    assert "invoice-000001.pdf" in response.headers["Content-Disposition"]
    read = text_of(response.content).replace("\N{NO-BREAK SPACE}", " ")
    for word in (*words, order.number):
        assert word.removeprefix("1 ") in page.words
        assert word.removeprefix("1 ") in read
    for answer in (page.response, response):
        assert "no-store" in answer.headers["Cache-Control"]
        assert "noindex" in answer.headers["X-Robots-Tag"]


def test_without_vat_the_invoice_says_so(settings: Settings) -> None:
    settings.VAT_PERCENT = 0

    page = papers.invoice_html(issue_invoice(packed().pk))

    assert "No VAT is charged." in page
    assert "% VAT" not in page


def test_markup_in_names_is_text_on_paper() -> None:
    order = packed()
    Order.objects.update(ship_to_name="<script>alert(1)</script>")
    order.lines.update(title="<img src=x>")
    order.refresh_from_db()

    for page in (papers.invoice_html(issue_invoice(order.pk)), papers.slip_html(order)):
        assert "<script>" not in page
        assert "<img" not in page


def test_a_forged_link_shows_no_invoice() -> None:
    for path in ("/orders/forged/invoice/", "/orders/forged/invoice.pdf"):
        assert Visitor().get(path).status == 404


def test_a_slip_lists_what_is_left_and_a_parcels_slip_what_is_in_it() -> None:
    order = packed()
    order.lines.update(quantity=5, withdrawn=1, shipped=1)
    parcel = Shipment.objects.create(
        order=order, form_key=order.idempotency_key, tracking_code="JD0001", actor="test"
    )
    ShipmentLine.objects.create(shipment=parcel, line=order.lines.get(), quantity=1)

    left, packed_in = (text_of(papers.slip_pdf(item)) for item in (order, parcel))

    assert "3 Thing MUG" in left
    assert "1 Thing MUG" in packed_in
    assert "JD0001" in packed_in
    assert "€" not in left
    order.lines.update(shipped=4)
    assert "Nothing is left to be sent." in papers.slip_html(order)


def test_a_paper_fetches_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        host, port = server.getsockname()
        made = pdf.html_to_pdf(
            f"<link rel=stylesheet href='http://{host}:{port}/a.css'>"
            f"<img src='http://{host}:{port}/b.png'><img src='file:///etc/hosts'><p>Hello</p>"
        )
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()
    assert "Hello" in text_of(made)


def test_a_paper_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS", 0.05)

    with pytest.raises(PaperUnavailable, match="print it"):
        pdf.html_to_pdf("<p>Hello</p>")


def test_a_page_that_is_too_long_is_not_tried() -> None:
    with pytest.raises(PaperUnavailable):
        pdf.html_to_pdf("x" * 1_000_001)


def test_only_so_many_papers_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_PLACES", threading.BoundedSemaphore(1))
    monkeypatch.setattr(pdf, "_WAIT_SECONDS", 0.05)
    with pdf._PLACES, pytest.raises(Busy):
        pdf.html_to_pdf("<p>Hello</p>")
    assert pdf.html_to_pdf("<p>Hello</p>").startswith(b"%PDF-")


def test_without_pango_the_shopper_is_shown_the_page_and_the_operator_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = packed()
    real = subprocess.run
    hidden = (
        "import ctypes.util, cffi, runpy; "
        "cffi.FFI.dlopen = lambda *a, **k: (_ for _ in ()).throw(OSError('no pango')); "
        f"runpy.run_path({str(pdf._PROGRAM)!r}, run_name='__main__')"
    )
    monkeypatch.setattr(
        "orders.gateways.pdf.subprocess.run",
        lambda _command, **rest: real([sys.executable, "-c", hidden], **rest),
    )

    page = Visitor().get(f"/orders/{order.token}/invoice.pdf")

    assert page.status == 503
    assert "print it from there" in page.words
    assert "libpangoft2-1.0-0" in page.words
    assert Visitor().get(f"/orders/{order.token}/invoice/").status == 200

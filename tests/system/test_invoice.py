"""The invoice of a running shop, in the language of the browser that bought."""

from io import BytesIO
from uuid import uuid4

import httpx
import pytest
from pypdf import PdfReader

from ops.demo.browser import Browser
from tests.system.shop_floor import ShopFloor, until

pytestmark = pytest.mark.stack


def test_a_german_shopper_gets_the_mail_and_the_invoice_in_german(shop: ShopFloor) -> None:
    sku = f"PAPER-{uuid4().hex[:8].upper()}"
    shop.add_product(sku, units=2, price_cents=1_234)
    with Browser(shop.url, language="de-DE,de;q=0.9") as browser:
        url = browser.submit(shop.filled_checkout(browser, sku, quantity=2)).url
    token = url.rstrip("/").rsplit("/", 1)[-1]
    sent = f"Notification.objects.filter(order__token={token!r}, status='sent')"
    question = f"list({sent}.values_list('kind', 'subject', 'text'))"
    ((kind, subject, text),) = until(lambda: shop.ask(question), bool, seconds=60)

    answer = httpx.get(f"{url}invoice.pdf", timeout=30)

    assert answer.status_code == 200
    (sheet,) = PdfReader(BytesIO(answer.content)).pages
    told = " ".join(sheet.extract_text().replace("\N{NO-BREAK SPACE}", " ").split())
    assert "Rechnung 00" in told, told
    assert "24,68 €" in told
    assert kind == "order_confirmed"
    assert subject.endswith("ist bestätigt")
    assert f"{url}invoice/" in text

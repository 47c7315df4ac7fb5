"""A process of the application that prepares a sale with all its units held, and a crowd for it.

Writes one JSON object: where the sale is, and the tokens and places of its crowd.
"""

import json
import sys
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.utils import timezone  # noqa: E402  # needs the settings

from orders.services.shelf import receive_stock  # noqa: E402  # as above
from shop.flash_sales import selling  # noqa: E402  # as above
from shop.flash_sales.entry import answer_click  # noqa: E402  # as above
from shop.flash_sales.models import FlashSale, SaleItem  # noqa: E402  # as above
from shop.flash_sales.published import publish, read_facts  # noqa: E402  # as above
from shop.flash_sales.rebuilding import build_gates  # noqa: E402  # as above
from shop.flash_sales.selling import NewItem, NewSale  # noqa: E402  # as above
from shop.flash_sales.tokens import mint_person, read_person, sign_place  # noqa: E402  # as above
from shop.flash_sales.visitor import PERSON_COOKIE, place_cookie  # noqa: E402  # as above

UNITS = 5
_HOUR = timedelta(hours=1)


def main(crowd: int) -> None:
    item = _sale()
    waiting = []
    for number in range(UNITS + crowd):
        token = mint_person(item.sale_id)
        person = read_person(token, item.sale_id)
        reply = answer_click(item.sale, item, person)
        place = sign_place(item.sale_id, item.pk, person, reply.place)
        if number >= UNITS:
            cookie = f"{PERSON_COOKIE}={token}"
            waiting.append([token, cookie, f"{cookie}; {place_cookie(item)}={place}"])
    # There is no keeper here to do it anew.
    if facts_shown := read_facts(item.sale.slug):
        publish(facts_shown, life_seconds=3_600)
    path = f"/sale/{item.sale.slug}/{item.pk}"
    facts: dict[str, Any] = {"path": path, "item_id": item.pk, "crowd": waiting}
    sys.stdout.write(json.dumps(facts) + "\n")


def _sale() -> SaleItem:
    now = timezone.now()
    receive_stock("BENCH", UNITS, "bench")
    new = NewSale(
        *("bench", "Bench", now - _HOUR, now + _HOUR),
        hold_seconds=3_600,
        admission_per_second=10_000,
    )
    sale = selling.create_sale(new, actor="bench")
    selling.add_item(sale.pk, NewItem("BENCH", "Bench", 1_000, UNITS), actor="bench")
    selling.announce(sale.pk, actor="bench")
    build_gates(FlashSale.objects.get(pk=sale.pk))
    return SaleItem.objects.select_related("sale").get(sale_id=sale.pk)


if __name__ == "__main__":
    main(int(sys.argv[1]))

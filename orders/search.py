"""Finding orders by what somebody tells on the phone. Every way to find one has an index.

What each word can be is decided from its form alone, so a word that cannot be found costs nothing:
no word is ever looked for by reading all orders.
"""

import re
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import QuerySet

from orders.models import Order, OrderLine, Payment

MOST_WORDS = 6

_NUMBER = re.compile(r"([0-9A-Z]{4})-?([0-9A-Z]{4})", re.ASCII)
_LAST4 = re.compile(r"[0-9]{4}", re.ASCII)
_REFERENCE = re.compile(r"(pi|re)_\w+", re.ASCII)
_NAME_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)


def find_orders(orders: QuerySet[Order], text: str) -> QuerySet[Order]:
    """The orders in which every word is found: as its number, mail address, SKU, the provider's
    reference, the last four digits of a card, or the beginning of a word of the name.

    No words: all of them. More than ``MOST_WORDS``: none.
    """
    words = text.split()
    if len(words) > MOST_WORDS:
        return orders.none()
    for word in words:
        orders = orders.filter(pk__in=_ids(word))
    return orders


def _ids(word: str) -> QuerySet[Any, Any]:
    found: list[QuerySet[Any, Any]] = [
        OrderLine.objects.filter(sku__in={word, word.upper()}).values_list("order_id")
    ]
    if "@" in word:
        found.append(Order.objects.filter(email__in={word, word.lower()}).values_list("pk"))
    if number := _NUMBER.fullmatch(word.upper()):
        found.append(Order.objects.filter(number=f"{number[1]}-{number[2]}").values_list("pk"))
    if _LAST4.fullmatch(word):
        found.append(Payment.objects.filter(card_last4=word).values_list("order_id"))
    if _REFERENCE.fullmatch(word):
        found.append(Payment.objects.filter(gateway_reference=word).values_list("order_id"))
    if parts := _NAME_WORD.findall(word):
        query = SearchQuery(
            " & ".join(f"{part}:*" for part in parts), config="simple", search_type="raw"
        )
        names = Order.objects.annotate(name_words=SearchVector("ship_to_name", config="simple"))
        found.append(names.filter(name_words=query).values_list("pk"))
    found = [ids.order_by() for ids in found]
    return found[0].union(*found[1:]) if len(found) > 1 else found[0]

"""Plainer ways to answer a click, with the shop's middleware. None knows a person or a line."""

from functools import cache
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from shop.flash_sales import wire

UNITS_KEY = "bench:units"
_TAKE = wire.Script.of("""
local left = tonumber(redis.call('GET', KEYS[1]) or '0')
if left <= 0 then return 0 end
redis.call('DECR', KEYS[1])
return 1
""")


@csrf_exempt  # as the gate's view, whose proof is a token
def ceiling(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"said": "sold_out"})


@csrf_exempt  # as above
def one_script(_: HttpRequest) -> JsonResponse:
    """As redis-py's own documentation has it."""
    return _said(bool(_script()([UNITS_KEY])))


@csrf_exempt  # as above
def one_script_on_our_wire(_: HttpRequest) -> JsonResponse:
    """Over the gate's own connections, which are what makes most of the difference."""
    return _said(bool(wire.run(_TAKE, (UNITS_KEY,), ())))


@csrf_exempt  # as above
def for_update(_: HttpRequest, item_id: int) -> JsonResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT units - held - sold FROM flash_sales_saleitem WHERE id = %s FOR UPDATE",
            [item_id],
        )
        (free,) = cursor.fetchone() or (0,)
        if free > 0:
            cursor.execute(
                "UPDATE flash_sales_saleitem SET held = held + 1 WHERE id = %s", [item_id]
            )
    return _said(free > 0)


@csrf_exempt  # as above
def conditional(_: HttpRequest, item_id: int) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE flash_sales_saleitem SET held = held + 1 WHERE id = %s AND units > held + sold",
            [item_id],
        )
        return _said(cursor.rowcount == 1)


def _said(has_unit: bool) -> JsonResponse:
    return JsonResponse({"said": "ticket" if has_unit else "sold_out"})


@cache
def _script() -> Any:
    return wire.client().register_script(_TAKE.text)

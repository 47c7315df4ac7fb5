"""Thousands of orders in seconds: one that real services made, copied by the servers themselves."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection, models

from orders.models import (
    Notification,
    Order,
    OrderLine,
    Payment,
    Refund,
    RefundLine,
    Shipment,
    ShipmentLine,
    StockHold,
    StockItem,
    StockMovement,
)
from orders.services.shelf import receive_stock

_MOST_CHILDREN = 10
# Each with the way from a row to its order.
_CHILDREN: list[tuple[type[models.Model], str]] = [
    (OrderLine, "order"),
    (Payment, "order"),
    (StockHold, "line__order"),
    (StockMovement, "line__order"),
    (Notification, "order"),
    (Refund, "order"),
    (RefundLine, "refund__order"),
    (Shipment, "order"),
    (ShipmentLine, "shipment__order"),
]
_NEW_UUID = {"idempotency_key", "form_key", "message_key"}


def multiply(order: Order, copies: int, books: Path) -> None:
    """``copies`` (up to 100,000) more orders like this one, which has a single line and is told;
    the bank's books (a sandbox's SQLite file) know their money."""
    base = order.pk * 10_000_000
    line = order.lines.get()
    receive_stock(line.sku, copies * line.quantity, "test")
    _copy(Order, [order.pk], base, copies, {"number": f"'C{order.pk}-' || n"})
    for model, way in _CHILDREN:
        ours = model._default_manager.filter(**{way: order.pk}).order_by("pk")
        _copy(model, list(ours.values_list("pk", flat=True)), base, copies, {})
    moved = StockMovement.objects.filter(sku=line.sku).aggregate(units=models.Sum("quantity"))
    StockItem.objects.filter(sku=line.sku).update(on_hand=moved["units"])
    _copy_books(order, base, copies, books)


def _copy(
    model: type[models.Model], keys: list[int], base: int, copies: int, changed: Mapping[str, str]
) -> None:
    quote = connection.ops.quote_name
    for place, key in enumerate(keys, start=1):
        columns = [str(field.column) for field in model._meta.concrete_fields]
        values = [changed.get(column) or _value(model, column, base, place) for column in columns]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({', '.join(map(quote, columns))})"  # noqa: S608  # no input
                f" SELECT {', '.join(values)}"
                f" FROM {model._meta.db_table} t, generate_series(1, {copies}) n WHERE t.id = {key}"
            )


def _value(model: type[models.Model], column: str, base: int, place: int) -> str:
    first_child = f"{base} + n * {_MOST_CHILDREN} + 1"
    if column == "id":
        return f"{base} + n" if model is Order else f"{base} + n * {_MOST_CHILDREN} + {place}"
    if column == "order_id":
        return f"{base} + n"
    if column in ("line_id", "payment_id", "refund_id", "shipment_id"):
        return f"CASE WHEN t.{column} IS NULL THEN NULL ELSE {first_child} END"
    if column in _NEW_UUID:
        return "gen_random_uuid()"
    if column == "token":
        return "md5(t.token || n)"
    if column == "gateway_reference":
        return f"t.{column} || '_' || n"
    if column == "cause" and model is Notification:
        return f"regexp_replace(t.cause, '[0-9]+$', ({first_child})::text)"
    if column == "cause":
        return "CASE t.cause WHEN '' THEN '' ELSE t.cause || '_' || n END"
    return f"t.{connection.ops.quote_name(column)}"


def _copy_books(order: Order, base: int, copies: int, books: Path) -> None:
    with closing(sqlite3.connect(books)) as database, database:
        rows = database.execute(
            "SELECT kind, created, body FROM objects WHERE body LIKE ? ORDER BY number",
            [f"%{order.number}%"],
        ).fetchall()
        ids = [json.loads(body)["id"] for _kind, _created, body in rows]
        for n in range(1, copies + 1):
            for kind, created, body in rows:
                text = body.replace(order.number, f"C{order.pk}-{n}")
                for name in ids:
                    text = text.replace(name, f"{name}_{n}")
                copied: dict[str, Any] = json.loads(text)
                for key in ("payment_id", "refund_id"):
                    if key in copied["metadata"]:
                        copied["metadata"][key] = str(base + n * _MOST_CHILDREN + 1)
                database.execute(
                    "INSERT INTO objects (id, kind, created, payment_intent, body)"
                    " VALUES (?, ?, ?, ?, ?)",
                    [
                        *(copied["id"], kind, created, copied.get("payment_intent")),
                        json.dumps(copied),
                    ],
                )

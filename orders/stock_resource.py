"""Importing a stock file: a preview that changes nothing, then all rows or none.

Each row's cause is the digest of the file with the number of its line, so the same file again does
nothing, whoever sends it and however often.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from import_export.fields import Field
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import Resource
from import_export.results import Result

from orders.errors import Busy, NotCorrectable
from orders.locks import lock_shelves
from orders.models import StockItem, StockMovement
from orders.services.shelf import correct_stock, receive_stock, write_off
from orders.services.timeline import staff_actor
from orders.stock_file import (
    COLUMNS,
    MOST_ROWS,
    Action,
    BadRow,
    Shelf,
    StockRow,
    read_row,
    shelf_after,
)


class StockChange:
    """One row of the preview."""

    sku = ""
    action = ""
    quantity = ""
    reason = ""
    on_shelf_after = ""

    def __str__(self) -> str:
        return f"{self.action} {self.quantity} {self.sku}"


class _Result(Result):  # type: ignore[misc]  # import_export is untyped
    """Counts lines as an editor shows them: the first one holds the names of the columns."""

    def append_invalid_row(self, number: int, row: Any, validation_error: ValidationError) -> None:
        super().append_invalid_row(number + 1, row, validation_error)


class StockResource(Resource):  # type: ignore[misc]  # import_export is untyped
    sku = Field(attribute="sku", column_name="sku")
    action = Field(attribute="action", column_name="action")
    quantity = Field(attribute="quantity", column_name="quantity")
    reason = Field(attribute="reason", column_name="reason")
    on_shelf_after = Field(attribute="on_shelf_after", column_name="on the shelf after")

    class Meta:
        import_id_fields = ("sku",)
        instance_loader_class = BaseInstanceLoader
        use_transactions = True

    @classmethod
    def get_display_name(cls) -> str:
        return "Stock file"

    def get_result_class(self) -> type[Result]:
        return _Result

    def get_user_visible_fields(self) -> list[Field]:
        """What a file has; the preview shows one column more."""
        return [self.fields[name] for name in COLUMNS]

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Raises BadRow for a file that is none; the form has said so already."""
        if set(COLUMNS) - set(dataset.headers or ()):
            raise BadRow("sku", f"The first line must name the columns {', '.join(COLUMNS)}.")
        if len(dataset) > MOST_ROWS:
            raise BadRow("sku", f"A file holds {MOST_ROWS} rows at most. Send it in parts.")
        skus = {str(sku or "").strip() for sku in dataset["sku"]}
        if not kwargs.get("dry_run"):
            # Before the first row is done, so that two imports and the orders never cross.
            lock_shelves(skus)
        self._digest = file_digest(dataset)
        self._shelves: dict[str, Shelf] = {
            item.sku: Shelf(item.on_hand, item.held)
            for item in StockItem.objects.filter(sku__in=skus)
        }
        self._done = set(
            StockMovement.objects.filter(cause__startswith=self._cause("")).values_list(
                "cause", flat=True
            )
        )

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> tuple[StockChange, bool]:
        return StockChange(), True

    def import_row(self, row: Any, instance_loader: Any, **kwargs: Any) -> Any:
        self._line = kwargs["row_number"] + 1
        self._user = kwargs["user"]
        return super().import_row(row, instance_loader, **kwargs)

    def import_instance(self, instance: StockChange, row: Any, **kwargs: Any) -> None:
        with _at_its_line(self._line):
            self._row = read_row(row)
        for name in COLUMNS:
            setattr(instance, name, str(getattr(self._row, name)))
        if self._cause(self._line) in self._done:
            instance.on_shelf_after = "done already"

    def skip_row(self, instance: StockChange, original: Any, row: Any, errors: Any = None) -> bool:
        return not errors and self._cause(self._line) in self._done

    def validate_instance(self, instance: StockChange, errors: Any = None, *_: Any) -> None:
        """What does not come from the file's text, but from the shelf and from the reader."""
        if errors:
            raise ValidationError(errors)
        wanted = "receive_stock" if self._row.action is Action.RECEIVE else "correct_stock"
        with _at_its_line(self._line):
            if not self._user.has_perm(f"orders.{wanted}"):
                raise BadRow("action", f"You may not do this: '{self._row.action}'.")
            shelf = shelf_after(self._row, self._shelves.get(self._row.sku))
        is_new = self._row.sku not in self._shelves
        self._shelves[self._row.sku] = shelf
        instance.on_shelf_after = f"{shelf.on_hand}{' (new SKU)' if is_new else ''}"

    def save_instance(
        self, instance: StockChange, is_create: bool, row: Any, **kwargs: Any
    ) -> None:
        if kwargs.get("dry_run"):
            return
        try:
            self._do(self._row)
        except (NotCorrectable, Busy) as error:
            raise ValidationError({f"line {self._line}": [str(error)]}) from error

    def _do(self, row: StockRow) -> None:
        actor, cause = staff_actor(self._user), self._cause(self._line)
        match row.action:
            case Action.RECEIVE:
                reason = row.reason or "Imported from a file."
                receive_stock(row.sku, row.quantity, reason, actor=actor, cause=cause)
            case Action.CORRECT:
                correct_stock(row.sku, row.quantity, row.reason, actor=actor, cause=cause)
            case Action.WRITE_OFF:
                write_off(row.sku, row.quantity, row.reason, actor=actor, cause=cause)

    def _cause(self, line: int | str) -> str:
        return f"file:{self._digest}:{line}"


def file_digest(dataset: Any) -> str:
    """Of what the rows say, so that another encoding or line ending is the same file."""
    columns = [[str(cell or "").strip() for cell in dataset[name]] for name in COLUMNS]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:40]


@contextmanager
def _at_its_line(line: int) -> Iterator[None]:
    """A row's mistake as the preview shows it."""
    try:
        yield
    except BadRow as mistake:
        raise ValidationError({f"line {line}, {mistake.column}": [str(mistake)]}) from mistake

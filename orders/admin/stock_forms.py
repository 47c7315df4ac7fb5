"""Forms about the shelf: what happened to it, and the file that tells of many things at once."""

import csv
import io
from typing import Any

from django import forms
from unfold.contrib.import_export.forms import ImportForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from orders.stock_file import COLUMNS, MOST_BYTES, MOST_ROWS

_MOST_UNITS = 1_000_000


class StockMoveForm(forms.Form):
    """``form_key`` is drawn with the form: sent twice, it is one movement."""

    form_key = forms.UUIDField(widget=forms.HiddenInput)
    sku = forms.CharField(max_length=64, label="SKU", widget=UnfoldAdminTextInputWidget)
    quantity = forms.IntegerField(
        min_value=-_MOST_UNITS, max_value=_MOST_UNITS, widget=UnfoldAdminIntegerFieldWidget
    )
    reason = forms.CharField(
        min_length=3,
        max_length=200,
        help_text="It stays in the ledger, with your name.",
        widget=UnfoldAdminTextInputWidget,
    )

    def clean_quantity(self) -> int:
        quantity: int = self.cleaned_data["quantity"]
        if quantity == 0:
            raise forms.ValidationError("0 units change nothing.")
        return quantity


class StockFileForm(ImportForm):  # type: ignore[misc]  # import_export is untyped
    """Says at once what is wrong with the file as a whole; its rows are looked at afterwards."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].help_text = (
            f"CSV in UTF-8 with the columns {', '.join(COLUMNS)}; at most {MOST_ROWS} rows. "
            "Nothing is changed before you have seen what will happen."
        )

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size is None or file.size > MOST_BYTES:
            raise forms.ValidationError(
                f"The file is larger than {MOST_BYTES // 1024} KiB. Send it in parts."
            )
        try:
            text = file.read().decode("utf-8-sig")
            rows = list(csv.reader(io.StringIO(text), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise forms.ValidationError(
                "This is no CSV in UTF-8. Save it from your spreadsheet as 'CSV UTF-8'."
            ) from error
        finally:
            file.seek(0)
        missing = [name for name in COLUMNS if not rows or name not in rows[0]]
        if missing:
            raise forms.ValidationError(
                f"The first line must name the columns {', '.join(COLUMNS)}, separated by commas. "
                f"Missing: {', '.join(missing)}."
            )
        uneven = [number for number, row in enumerate(rows, 1) if len(row) not in (0, len(rows[0]))]
        if uneven:
            raise forms.ValidationError(
                f"Line {uneven[0]} has another number of cells than the first line."
            )
        if not 1 < len(rows) <= MOST_ROWS + 1:
            raise forms.ValidationError(
                f"The file has {max(0, len(rows) - 1)} rows, and 1 to {MOST_ROWS} are taken."
            )
        return file

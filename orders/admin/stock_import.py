"""The import of stock files in the admin: upload, look at what will happen, confirm."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from import_export.admin import ImportMixin
from import_export.formats.base_formats import CSV
from import_export.results import RowResult
from import_export.tmp_storages import CacheStorage

from orders.admin.stock_forms import StockFileForm
from orders.stock_resource import StockResource


class FileForgotten(Exception):
    """The file between upload and confirmation is not there any more."""


class StockFileStorage(CacheStorage):  # type: ignore[misc]  # import_export is untyped
    """The cache, which every web process can read, and which may forget."""

    CACHE_LIFETIME = 3_600

    def read(self) -> Any:
        data = super().read()
        if data is None:
            raise FileForgotten
        return data


class StockImport(ImportMixin):  # type: ignore[misc]  # import_export is untyped
    """Mix in before the ModelAdmin of the stock."""

    resource_classes = [StockResource]
    import_form_class = StockFileForm
    import_formats = [CSV]
    tmp_storage_class = StockFileStorage

    def has_import_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.receive_stock")

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        wanted = super().get_import_data_kwargs(**kwargs)
        return {**wanted, "rollback_on_validation_errors": True}

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().process_import(request, **kwargs)
        except FileForgotten:
            messages.error(
                request, "The file was forgotten in the meantime. Nothing changed: send it again."
            )
            return redirect("admin:orders_stockitem_import")
        return answer

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        """The shelf may have changed since the preview, so the same file can fail now."""
        if result.has_errors() or result.has_validation_errors():
            for told in _told(result):
                messages.error(request, told)
            messages.error(request, "Nothing was imported. Mend the file and send it again.")
            return redirect("admin:orders_stockitem_import")
        done = result.totals[RowResult.IMPORT_TYPE_NEW]
        before = result.totals[RowResult.IMPORT_TYPE_SKIP]
        messages.success(
            request,
            f"{done} rows imported." + (f" {before} were imported before." if before else ""),
        )
        return redirect("admin:orders_stockitem_changelist")


def _told(result: Any) -> list[str]:
    rows = [
        f"{where}: {' '.join(told)}"
        for row in result.invalid_rows
        for where, told in row.error_dict.items()
    ]
    lines = [
        f"line {line + 1}: {one.error}" for line, errors in result.row_errors() for one in errors
    ]
    return [*rows, *lines, *(str(one.error) for one in result.base_errors)][:10]

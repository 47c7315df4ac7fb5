"""Pages for what went wrong, in the shop's design and with the right status."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Drawn without request, context, database or static files: any of them may be what failed.

    A database that is away is a closed door for a while (503), not a defect (500).
    """
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if away else 500
    page = loader.get_template("500.html").render({"status": status, "away": away})
    return HttpResponse(page, status=status, headers={"Retry-After": "5"} if away else None)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token did not fit the cookie: cookies are off, or the page is very old."""
    return render(request, "shop/csrf_failure.html", status=403)


def order_not_found(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/order_not_found.html", status=404)


def product_not_found(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/product_not_found.html", status=404)

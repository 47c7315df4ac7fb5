"""A trace begins with the web request, or with whoever stands in front of it."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tasks.spans import request_span
from tasks.tracing import current_trace_id, traced

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")
# W3C Trace Context, 3.2: version, trace id, parent span, flags.
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class TraceMiddleware:
    """Gives each request a trace id, or takes the one that a proxy in front has given it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with traced(_given(request)), request_span(request, current_trace_id()):
            response = self.get_response(request)
            response["X-Request-Id"] = current_trace_id()
            return response


def _given(request: HttpRequest) -> str:
    """The id that somebody in front has chosen: traceparent first, so that his spans and ours are
    one trace. Empty when there is none that we accept."""
    parent = _TRACEPARENT.fullmatch(request.META.get("HTTP_TRACEPARENT", ""))
    if parent:
        return parent[1]
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _ACCEPTABLE.fullmatch(given) else ""

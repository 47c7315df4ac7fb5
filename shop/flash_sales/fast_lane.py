"""The two requests of a crowd, answered before the middleware that they have no use for.

A click and a poll read no session, no user and no message, and their proof is a signed token, not
CSRF's: for them the ordinary road through the framework is most of the work. Whatever is not one of
the two, or is not found, takes that road.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from shop.flash_sales.views import entry
from shop.flash_sales.views.drawing import wants_json

_HOT = re.compile(r"/sale/([-\w]+)/(\d{1,18})/(enter|line)/", re.ASCII)
_VIEWS: dict[str, Callable[[HttpRequest, str, int], HttpResponse]] = {
    "enter": entry.enter,
    "line": entry.line,
}


class FastLaneMiddleware:
    """Stands behind what guards every answer: transport security and traces."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hot = _HOT.fullmatch(request.path_info)
        if hot is None or _looks_signed_in(request, hot[3]):
            return self.get_response(request)
        slug, item_id, name = hot.groups()
        try:
            response = _VIEWS[name](request, slug, int(item_id))
        except Http404:
            return self.get_response(request)
        response["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        response["Content-Length"] = str(len(response.content))
        return response


def _looks_signed_in(request: HttpRequest, name: str) -> bool:
    """A person, not a poll, who may have signed in: their place goes over to the account."""
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    return name == "line" and has_session and not wants_json(request)

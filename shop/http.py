"""Small things about requests and responses that several pages need."""

from uuid import UUID

from django.http import HttpRequest, HttpResponseRedirect
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request behind HtmxMiddleware."""

    htmx: HtmxDetails


class SeeOther(HttpResponseRedirect):
    """303: the form was taken, read on over there with GET. A reload does not submit again."""

    status_code = 303


def read_uuid(text: str | None) -> UUID | None:
    """None when it is missing or not a UUID."""
    try:
        return UUID(text or "")
    except ValueError:
        return None

"""Where the provider tells us what happened: ``POST /webhooks/payments/``.

The answer decides whether the provider sends it again: 200 only once the event is committed.
"""

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders import metrics
from orders.gateways.webhook_in import BadSignature, BadWebhook, read_webhook
from orders.services.webhook_in import receive_webhook

log = structlog.get_logger(__name__)

_AGAIN_IN_SECONDS = "30"


@csrf_exempt  # its signature says who sent it
@require_POST
def receive_payment_webhook(request: HttpRequest) -> HttpResponse:
    try:
        message = read_webhook(request.body, request.headers.get("Stripe-Signature", ""))
    except RequestDataTooBig:
        return _refused("The body is too large.", 413)
    except UnreadablePostError:
        return _refused("The body ended too early.", 400)
    except (BadSignature, BadWebhook) as error:
        return _refused(str(error), 400)
    try:
        is_new = receive_webhook(message)
    except (OperationalError, InterfaceError) as outage:
        log.error("database_away", exc_info=outage)
        answer = _text("The database is away. Send it again.", 503)
        answer["Retry-After"] = _AGAIN_IN_SECONDS
        return answer
    return _text("Stored." if is_new else "Known already.", 200)


def _refused(why: str, status: int) -> HttpResponse:
    log.warning("webhook_refused", why=why)
    metrics.webhook_refused()
    return _text(why, status)


def _text(words: str, status: int) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")

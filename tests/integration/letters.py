"""Dead letters for tests, as a worker records them."""

from uuid import uuid4

from tasks import dead_letters
from tasks.causes import Cause
from tasks.delivery import Delivery, read_delivery
from tasks.errors import Permanent
from tasks.models import DeadLetter

CAPTURE = "orders.capture_payment"


def delivery(number: int = 1, *, task: str = CAPTURE, message_id: str = "") -> Delivery:
    return read_delivery(
        message_id or str(uuid4()),
        task,
        {"order_id": number, "payment_id": number},
        {"subject": f"order:{number}", "trace_id": f"trace-{number}", "attempt": 2},
        worker="payment@host",
    )


def letter(number: int = 1, *, cause: Cause = Cause.PERMANENT, task: str = CAPTURE) -> DeadLetter:
    """An open letter about order ``number``."""
    died = delivery(number, task=task)
    try:
        raise Permanent(f"no such key {number}")
    except Permanent as error:
        dead_letters.record(died, error, cause.label, cause)
    return DeadLetter.objects.get(message_id=died.message_id)

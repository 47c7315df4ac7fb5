"""An order as the order desk reads it: with everything that belongs to it, in a bounded number of
queries, however much that is."""

from django.db.models import Prefetch

from orders.models import Notification, Order
from tasks.models import DeadLetter


def order_for_desk(order_id: int) -> Order | None:
    """The order with all its relations; mails come without their bodies."""
    mails = Notification.objects.defer("text", "html").order_by("pk")
    return (
        Order.objects.filter(pk=order_id)
        .select_related("customer", "invoice")
        .prefetch_related("lines__hold", "payments", "refunds__payment", "refunds__lines__line")
        .prefetch_related("shipments__lines__line", "returns__lines__line", "returns__refund")
        .prefetch_related("timeline", Prefetch("notifications", mails))
        .first()
    )


def open_letters(order: Order) -> list[DeadLetter]:
    """Dead letters of this order and of its mails that nobody has closed."""
    subjects = [order.subject, *(f"notification:{mail.pk}" for mail in order.notifications.all())]
    open_ones = DeadLetter.objects.filter(subject__in=subjects, status=DeadLetter.Status.OPEN)
    return list(open_ones.order_by("pk"))

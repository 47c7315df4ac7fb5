"""What happens to the mails of accounts, as numbers for Prometheus."""

from collections.abc import Iterable

from django.db.models import Count, Max
from prometheus_client.metrics_core import Metric

from shop.models import AccountMail
from tasks.ages import age_of
from tasks.metrics.meter import METER, Kind
from tasks.metrics.sources import gauge, register

METER.declare(
    Kind("account_mails", "Mails about accounts by kind and outcome.", ("kind", "outcome"))
)


def account_mail_settled(kind: str, status: AccountMail.Status) -> None:
    METER.count_on_commit("account_mails", (kind, status.value))


def waiting() -> Iterable[Metric]:
    pending = AccountMail.objects.order_by().filter(status=AccountMail.Status.PENDING)
    row = pending.aggregate(number=Count("pk"), oldest=Max(age_of("created_at")))
    yield gauge(
        "account_mails_waiting", "Mails about accounts not sent yet.", (), {(): row["number"]}
    )
    yield gauge(
        "account_mails_waiting_oldest_seconds",
        "How long the oldest of them has waited.",
        (),
        {(): row["oldest"] or 0.0},
    )


register("accounts", waiting)

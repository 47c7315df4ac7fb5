"""The back office's pages about other systems that listen."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.urls import reverse

from orders.models import WebhookDelivery, WebhookEndpoint
from tasks.models import OutboxMessage
from tests.integration.desk import plain_files, staff, text
from tests.integration.shopping import placed

pytestmark = pytest.mark.django_db

ENDPOINTS = "admin:orders_webhookendpoint_changelist"
ADD = "admin:orders_webhookendpoint_add"
DELIVERIES = "admin:orders_webhookdelivery_changelist"


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    plain_files(settings, tmp_path)


def given_up() -> WebhookDelivery:
    WebhookEndpoint.objects.create(url="https://listener.example/hooks")
    delivery = placed().webhook_deliveries.get()
    OutboxMessage.objects.all().delete()
    WebhookDelivery.objects.update(
        status=WebhookDelivery.Status.GIVEN_UP, last_answer="Given up. Last answer: It answered 500"
    )
    return delivery


def test_a_manager_adds_a_listener_with_the_events_that_it_wants() -> None:
    client = staff("manager")

    client.post(
        reverse(ADD),
        {
            "url": "listener.example/hooks",
            "kinds": ["order.paid", "refund.moved"],
            "is_active": "on",
        },
    )

    (one,) = WebhookEndpoint.objects.all()
    assert one.url == "https://listener.example/hooks"
    assert one.kinds == ["order.paid", "refund.moved"]
    page = client.get(reverse("admin:orders_webhookendpoint_change", args=[one.pk]))
    assert one.secret in text(page)
    assert "order.paid, refund.moved" in text(client.get(reverse(ENDPOINTS)))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://listener.example/", "Write an address like"),
        ("https://user:password@listener.example/", "without a password"),
        ("http://127.0.0.1:8000/", "inside the network"),
        ("http://[::1]/", "inside the network"),
        ("http://169.254.169.254/latest/meta-data", "inside the network"),
        ("http://localhost/", "inside the network"),
        ("", "This field is required"),
    ],
)
def test_an_address_that_is_not_called_is_refused_at_once(url: str, words: str) -> None:
    page = staff("manager").post(reverse(ADD), {"url": url, "is_active": "on"})

    assert words in text(page)
    assert not WebhookEndpoint.objects.exists()


def test_the_list_tells_what_was_answered_and_a_manager_sends_it_again() -> None:
    client = staff("manager")
    delivery = given_up()

    assert "It answered 500" in text(client.get(reverse(DELIVERIES)))
    page = client.post(
        reverse(DELIVERIES),
        {"action": "send_again", "_selected_action": [str(delivery.pk)]},
        follow=True,
    )

    assert "1 of 1 are tried again" in text(page)
    delivery.refresh_from_db()
    assert delivery.status == WebhookDelivery.Status.PENDING
    assert OutboxMessage.objects.filter(subject=delivery.subject).count() == 1
    assert delivery.order.timeline.filter(kind="webhook_again", actor="staff manager").exists()


def test_an_auditor_looks_and_changes_nothing_and_sees_no_secret() -> None:
    client = staff("auditor")
    delivery = given_up()
    endpoint = delivery.endpoint
    change = reverse("admin:orders_webhookendpoint_change", args=[endpoint.pk])

    page = client.get(change)
    assert page.status_code == 200
    assert endpoint.secret not in page.content.decode()
    assert client.post(change, {"url": "https://other.example/"}).status_code == 403
    client.post(
        reverse(DELIVERIES), {"action": "send_again", "_selected_action": [str(delivery.pk)]}
    )

    delivery.refresh_from_db()
    assert delivery.status == WebhookDelivery.Status.GIVEN_UP
    assert WebhookEndpoint.objects.get().url == "https://listener.example/hooks"


def test_a_clerk_does_not_see_listeners_at_all() -> None:
    client = staff("clerk")

    for name in (ENDPOINTS, ADD, DELIVERIES):
        assert client.get(reverse(name)).status_code == 403

"""Every address of the shop."""

from django.contrib import admin
from django.urls import include, path

from orders.webhook_view import receive_payment_webhook
from tasks import health
from tasks.metrics import page as metrics

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.page, name="metrics"),
    path("webhooks/payments/", receive_payment_webhook, name="payment-webhook"),
    path("sale/", include("shop.flash_sales.urls")),
    path("", include("shop.urls")),
]

handler400 = "shop.views.errors.bad_request"
handler403 = "shop.views.errors.permission_denied"
handler404 = "shop.views.errors.not_found"
handler500 = "shop.views.errors.server_error"

"""Addresses of the shop."""

from django.urls import include, path

from shop.accounts import urls as accounts
from shop.views import cart, catalogue, checkout, order, order_cancel, order_return, papers

app_name = "shop"

urlpatterns = [
    path("", catalogue.home, name="home"),
    path("c/<slug:slug>/", catalogue.category, name="category"),
    path("p/<slug:slug>/", catalogue.product, name="product"),
    path("cart/", cart.show, name="cart"),
    path("cart/add/", cart.add, name="cart-add"),
    path("cart/update/", cart.update, name="cart-update"),
    path("cart/remove/", cart.remove, name="cart-remove"),
    path("checkout/", checkout.checkout, name="checkout"),
    path("account/", include(accounts.urlpatterns)),
    # The token is the permission. `slug` keeps bytes out that the database would choke on.
    path("orders/<slug:token>/", order.show, name="order"),
    path("orders/<slug:token>/progress/", order.progress, name="order-progress"),
    path("orders/<slug:token>/hold/", order.hold, name="order-hold"),
    path("orders/<slug:token>/card/", order.retry_card, name="order-card"),
    path("orders/<slug:token>/invoice/", papers.invoice, name="order-invoice"),
    path("orders/<slug:token>/invoice.pdf", papers.invoice_pdf, name="order-invoice-pdf"),
    path("orders/<slug:token>/other-card/", order.leave_bank, name="order-leave-bank"),
    path("orders/<slug:token>/cancel/", order_cancel.cancel, name="order-cancel"),
    path("orders/<slug:token>/return/", order_return.announce, name="order-return"),
    path(
        "orders/<slug:token>/return/<int:return_id>/withdraw/",
        order_return.withdraw,
        name="order-return-withdraw",
    ),
]

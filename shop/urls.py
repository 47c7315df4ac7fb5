"""Addresses of the shop."""

from django.urls import path

from shop.views import cart, catalogue, checkout, order, papers

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
    # The token is the permission. `slug` keeps bytes out that the database would choke on.
    path("orders/<slug:token>/", order.show, name="order"),
    path("orders/<slug:token>/progress/", order.progress, name="order-progress"),
    path("orders/<slug:token>/card/", order.retry_card, name="order-card"),
    path("orders/<slug:token>/invoice/", papers.invoice, name="order-invoice"),
    path("orders/<slug:token>/invoice.pdf", papers.invoice_pdf, name="order-invoice-pdf"),
]

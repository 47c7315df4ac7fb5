"""Addresses of the flash sales."""

from django.urls import path

from shop.flash_sales.views import entry, page, ticket

app_name = "flash_sales"

urlpatterns = [
    path("<slug:slug>/", page.show, name="sale"),
    path("<slug:slug>/clock/", page.clock, name="clock"),
    path("<slug:slug>/<int:item_id>/", entry.door, name="door"),
    path("<slug:slug>/<int:item_id>/enter/", entry.enter, name="enter"),
    path("<slug:slug>/<int:item_id>/line/", entry.line, name="line"),
    path("<slug:slug>/<int:item_id>/ticket/", ticket.show, name="ticket"),
    path("<slug:slug>/<int:item_id>/give-back/", ticket.return_unit, name="give-back"),
]

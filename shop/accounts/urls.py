"""Addresses of the account pages, under /account/."""

from django.urls import path

from shop.accounts.views import addresses, data, email, orders, password, sign_in, sign_up

urlpatterns = [
    path("", orders.overview, name="account"),
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("sign-up/", sign_up.sign_up, name="sign-up"),
    path("sign-up/<str:token>/", sign_up.confirm, name="sign-up-confirm"),
    path("mail/", sign_up.mail_on_its_way, name="mail-on-its-way"),
    path("forgotten/", password.forgotten, name="forgotten"),
    path("forgotten/<str:token>/", password.confirm, name="forgotten-confirm"),
    path("password/", password.change, name="change-password"),
    path("email/", email.change, name="change-email"),
    path("email/<str:token>/", email.confirm, name="email-confirm"),
    path("orders/", orders.listing, name="my-orders"),
    path("orders/merge/", orders.merge, name="merge-orders"),
    path("find-order/", orders.find, name="find-order"),
    path("addresses/", addresses.listing, name="addresses"),
    path("addresses/add/", addresses.add, name="address-add"),
    path("addresses/<int:pk>/", addresses.change, name="address"),
    path("addresses/<int:pk>/delete/", addresses.delete, name="address-delete"),
    path("addresses/<int:pk>/default/", addresses.make_default, name="address-default"),
    path("data/", data.show, name="my-data"),
    path("data/export/", data.export, name="my-data-export"),
    path("data/erase/", data.erase, name="my-data-erase"),
]

"""The shop's addresses and, beside them, five plainer ways to answer a click."""

from django.urls import include, path

from ops.bench import gate_views

urlpatterns = [
    path("bench/ceiling/", gate_views.ceiling),
    path("bench/script/", gate_views.one_script),
    path("bench/script-on-our-wire/", gate_views.one_script_on_our_wire),
    path("bench/for-update/<int:item_id>/", gate_views.for_update),
    path("bench/conditional/<int:item_id>/", gate_views.conditional),
    path("", include("config.urls")),
]

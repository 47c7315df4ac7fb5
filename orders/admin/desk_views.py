"""The pages on which staff do something with an order: ask, then do it once, then tell."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders.admin.desk_actions import ACTIONS, DeskAction
from orders.admin.desk_fields import DeskForm
from orders.desk import order_for_desk
from orders.errors import Busy, OrderError
from orders.models import Order
from orders.services.timeline import staff_actor

_GONE = "This cannot be done with the order any more. Its page shows where it stands."


class SeeOther(HttpResponseRedirect):
    """303: it was done, read on over there. A reload does not do it again."""

    status_code = HTTPStatus.SEE_OTHER


class DeskPages:
    """Mix into the ModelAdmin of orders: one address for each deed."""

    admin_site: admin.AdminSite

    def desk_urls(self) -> list[URLPattern]:
        return [self._desk_url(action) for action in ACTIONS]

    def _desk_url(self, action: DeskAction) -> URLPattern:
        def page(request: HttpRequest, order_id: int, target_id: int | None = None) -> HttpResponse:
            return self._desk_page(request, action, order_id, target_id)

        guarded = never_cache(require_http_methods(["GET", "HEAD", "POST"])(page))
        route = f"<int:order_id>/{action.verb}/" + ("<int:target_id>/" if action.of else "")
        return path(route, self.admin_site.admin_view(guarded), name=action.url_name)

    def _desk_page(
        self, request: HttpRequest, action: DeskAction, order_id: int, target_id: int | None
    ) -> HttpResponse:
        user = signed_in(request)
        if not (user.has_perm("orders.view_order") and user.has_perm(action.permission)):
            raise PermissionDenied
        order = order_for_desk(order_id)
        target = action.find(order, target_id) if order else None
        if order is None or target is None:
            raise Http404("There is no such order, or nothing of that number belongs to it.")
        if request.method == "POST":
            return self._do(request, action, order, action.form(order, target, user, request.POST))
        if not action.offered(target):
            messages.warning(request, _GONE)
            return SeeOther(order_url(order))
        return self._ask(request, action, order, action.form(order, target, user))

    def _do(
        self, request: HttpRequest, action: DeskAction, order: Order, form: DeskForm
    ) -> HttpResponse:
        if not form.is_valid():
            return self._ask(request, action, order, form, HTTPStatus.UNPROCESSABLE_ENTITY)
        try:
            told = action.act(form, staff_actor(signed_in(request)))
        except Busy:
            # Nothing was done, so the same form, under the same key, may be sent again.
            form.add_error(
                None,
                "Somebody else is working on this order. Nothing was done: busy, "
                "try again in a moment.",
            )
            return self._ask(request, action, order, form, HTTPStatus.SERVICE_UNAVAILABLE)
        except OrderError as error:
            form.add_error(None, str(error))
            return self._ask(request, action, order, form, HTTPStatus.CONFLICT)
        messages.success(request, told)
        return SeeOther(order_url(order))

    def _ask(
        self,
        request: HttpRequest,
        action: DeskAction,
        order: Order,
        form: DeskForm,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "action": action,
            "order": order,
            "order_url": order_url(order),
            "target": form.target if action.of else None,
            "form": form,
        }
        return TemplateResponse(request, "orders/desk/act.html", context, status=status)


def order_url(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def signed_in(request: HttpRequest) -> User:
    """Who is signed in; behind ``admin_view`` it is always somebody."""
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user

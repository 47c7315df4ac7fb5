"""Personal data: all of it as a file, or gone."""

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from orders.errors import Busy
from orders.services.timeline import SHOPPER
from shop.accounts import limits
from shop.accounts.errors import TooMany
from shop.accounts.forms import OwnPasswordForm
from shop.accounts.personal_data import erase_person, order_count, personal_data
from shop.accounts.signed_in import account_needed
from shop.accounts.views.answers import page, refused
from shop.http import SeeOther
from shop.models import Account


@require_safe
@account_needed
def show(request: HttpRequest, account: Account) -> HttpResponse:
    return page(request, "data", _context(account, OwnPasswordForm(account=account)))


@require_POST
@account_needed
def export(request: HttpRequest, account: Account) -> HttpResponse:
    held = personal_data(account.email, account)
    response = JsonResponse(held, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = 'attachment; filename="personal-data.json"'
    return response


@sensitive_post_parameters("old_password")
@require_POST
@account_needed
def erase(request: HttpRequest, account: Account) -> HttpResponse:
    """Asks for the password: it cannot be undone, and a browser may be left alone."""
    form = OwnPasswordForm(request.POST, account=account)
    try:
        limits.count_try(limits.PASSWORD, request, account.email)
        if not form.is_valid():
            return page(request, "data", _context(account, form))
        done = erase_person(account.email, account, actor=SHOPPER)
    except (TooMany, Busy) as error:
        blank = OwnPasswordForm(account=account)
        return refused(request, "data", _context(account, blank), error)
    logout(request)
    messages.success(request, "Your account is deleted, and what it held is erased.")
    if done.kept:
        reasons = "; ".join(f"{order.number}: {order.kept_because}" for order in done.kept)
        messages.warning(
            request,
            f"Not erased yet, because it has not ended: {reasons}. "
            "That happens by itself when it ends; until then its link in your mail works.",
        )
    return SeeOther(reverse("shop:home"))


def _context(account: Account, form: OwnPasswordForm) -> dict[str, object]:
    return {"form": form, "order_count": order_count(account.email, account)}

"""Signing in and out. Which of address and password was wrong is not told."""

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from shop.accounts import limits
from shop.accounts.errors import TooMany
from shop.accounts.forms import SignInForm
from shop.accounts.signed_in import current_account, private
from shop.accounts.views.answers import page, refused
from shop.http import SeeOther

_WRONG = (
    "Address and password do not fit. Please check both; capitals count in a password. "
    "If you do not know it any more, ask for a new one below."
)


@sensitive_post_parameters("password")
@private
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    onward = _onward(request)
    if current_account(request):
        return SeeOther(onward)
    if request.method != "POST":
        return page(request, "sign_in", {"form": SignInForm(), "next": onward})
    form = SignInForm(request.POST)
    context = {"form": form, "next": onward}
    if not form.is_valid():
        return page(request, "sign_in", context)
    email = form.cleaned_data["email"]
    try:
        # Before the password is looked at: a guess costs the guesser, not us.
        limits.count_try(limits.SIGN_IN, request, email)
    except TooMany as error:
        return refused(request, "sign_in", context, error)
    user = authenticate(request, email=email, password=form.cleaned_data["password"])
    if user is None:
        return page(request, "sign_in", {**context, "alert": _WRONG}, status=422)
    limits.forgive(limits.SIGN_IN, email)
    # The session gets a new name and keeps its cart.
    login(request, user)
    return SeeOther(onward)


@private
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """The whole session goes, with its cart: the next one at this browser may be somebody else."""
    if current_account(request):
        logout(request)
        messages.success(request, "You are signed out.")
    return SeeOther(reverse("shop:home"))


def _onward(request: HttpRequest) -> str:
    """Where the shopper was going; only within this shop."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None, require_https=request.is_secure()
    )
    return wanted if safe and wanted.startswith("/") else reverse("shop:account")

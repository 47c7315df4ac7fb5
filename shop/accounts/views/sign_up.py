"""Opening an account: the address first, the password behind the link that was mailed to it."""

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orders.services.ownership import claim_guest_orders
from shop.accounts import limits
from shop.accounts.account import open_account
from shop.accounts.errors import TooMany
from shop.accounts.forms import EmailForm, NewPasswordForm
from shop.accounts.links import mail_of
from shop.accounts.mail import ask_for_mail
from shop.accounts.signed_in import current_account, private
from shop.accounts.views.answers import language_of, link_page, page, refused
from shop.http import SeeOther
from shop.models import AccountMail

BACKEND = "shop.accounts.backend.AccountBackend"


@private
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if current_account(request):
        return SeeOther(reverse("shop:account"))
    if request.method != "POST":
        return page(request, "sign_up", {"form": EmailForm()})
    form = EmailForm(request.POST)
    if not form.is_valid():
        return page(request, "sign_up", {"form": form})
    email = form.cleaned_data["email"]
    try:
        limits.count_try(limits.MAILS, request, email)
    except TooMany as error:
        return refused(request, "sign_up", {"form": form}, error)
    ask_for_mail(AccountMail.Kind.SIGN_UP, email, language=language_of(request))
    return SeeOther(reverse("shop:mail-on-its-way"))


@private
@require_http_methods(["GET", "HEAD"])
def mail_on_its_way(request: HttpRequest) -> HttpResponse:
    """The one answer to every wish for a mail."""
    return page(request, "mail_on_its_way")


@sensitive_post_parameters("password")
@link_page
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Looking at the page uses nothing up: mail scanners look at every link."""
    mail = mail_of(token, AccountMail.Kind.SIGN_UP)
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return page(request, "choose_password", {"form": form, "email": mail.recipient})
    account = open_account(mail, form.cleaned_data["password"])
    login(request, account.user, backend=BACKEND)
    merged = claim_guest_orders(account.user_id, account.email)
    messages.success(request, _welcome(merged))
    return SeeOther(reverse("shop:account"))


def _welcome(merged: int) -> str:
    if not merged:
        return "Welcome. Your account is open."
    orders = "order is" if merged == 1 else f"{merged} orders are"
    return f"Welcome. Your account is open, and your earlier {orders} in it."

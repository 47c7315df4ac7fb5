"""Another e-mail address for the account: proved by its mailbox before anything changes."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orders.services.ownership import claim_guest_orders
from shop.accounts import limits
from shop.accounts.account import confirm_new_email
from shop.accounts.errors import AccountError, LinkUnusable, TooMany
from shop.accounts.forms import ChangeEmailForm
from shop.accounts.links import mail_of
from shop.accounts.mail import ask_for_mail
from shop.accounts.signed_in import account_needed
from shop.accounts.views.answers import language_of, page, refused, unlogged
from shop.http import SeeOther
from shop.models import Account, AccountMail


@sensitive_post_parameters("old_password")
@require_http_methods(["GET", "HEAD", "POST"])
@account_needed
def change(request: HttpRequest, account: Account) -> HttpResponse:
    if request.method != "POST":
        return page(request, "change_email", {"form": ChangeEmailForm(account=account)})
    form = ChangeEmailForm(request.POST, account=account)
    try:
        limits.count_try(limits.PASSWORD, request, account.email)
        if not form.is_valid():
            return page(request, "change_email", {"form": form})
        email = form.cleaned_data["email"]
        limits.count_try(limits.MAILS, request, email)
    except TooMany as error:
        blank = ChangeEmailForm(account=account)
        return refused(request, "change_email", {"form": blank}, error)
    limits.forgive(limits.PASSWORD, account.email)
    ask_for_mail(
        AccountMail.Kind.CHANGE_EMAIL, email, language=language_of(request), account=account
    )
    return SeeOther(reverse("shop:mail-on-its-way"))


@require_http_methods(["GET", "HEAD", "POST"])
@account_needed
def confirm(request: HttpRequest, account: Account, token: str) -> HttpResponse:
    """Only where the account that asked is signed in, and only by the button."""
    try:
        mail = mail_of(token, AccountMail.Kind.CHANGE_EMAIL)
        if mail.account_id != account.pk:
            raise LinkUnusable
        if request.method != "POST":
            return page(request, "confirm_email", {"email": mail.recipient})
        confirm_new_email(account, mail)
    except AccountError as error:
        return unlogged(refused(request, "link_unusable", {}, error))
    claim_guest_orders(account.user_id, account.email)
    messages.success(request, f"Your account has the address {account.email} now.")
    return SeeOther(reverse("shop:account"))

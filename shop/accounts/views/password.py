"""A forgotten password, and a new one for somebody who knows the old one."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from shop.accounts import limits
from shop.accounts.account import change_password, reset_password
from shop.accounts.errors import TooMany
from shop.accounts.forms import ChangePasswordForm, EmailForm, NewPasswordForm
from shop.accounts.links import mail_of
from shop.accounts.mail import ask_for_mail
from shop.accounts.signed_in import account_needed, private
from shop.accounts.views.answers import language_of, link_page, page, refused
from shop.http import SeeOther
from shop.models import Account, AccountMail


@private
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return page(request, "forgotten", {"form": EmailForm()})
    form = EmailForm(request.POST)
    if not form.is_valid():
        return page(request, "forgotten", {"form": form})
    email = form.cleaned_data["email"]
    try:
        limits.count_try(limits.MAILS, request, email)
    except TooMany as error:
        return refused(request, "forgotten", {"form": form}, error)
    ask_for_mail(AccountMail.Kind.RESET_PASSWORD, email, language=language_of(request))
    return SeeOther(reverse("shop:mail-on-its-way"))


@sensitive_post_parameters("password")
@link_page
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Signing in is left to the shopper: whoever has the link alone does not get in by it twice."""
    mail = mail_of(token, AccountMail.Kind.RESET_PASSWORD)
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return page(request, "choose_password", {"form": form, "email": mail.recipient})
    reset_password(mail, form.cleaned_data["password"])
    limits.forgive(limits.SIGN_IN, mail.recipient)
    messages.success(request, "Your password is changed. Please sign in with it.")
    return SeeOther(reverse("shop:sign-in"))


@sensitive_post_parameters("old_password", "password")
@require_http_methods(["GET", "HEAD", "POST"])
@account_needed
def change(request: HttpRequest, account: Account) -> HttpResponse:
    if request.method != "POST":
        return page(request, "change_password", {"form": ChangePasswordForm(account=account)})
    form = ChangePasswordForm(request.POST, account=account)
    try:
        limits.count_try(limits.PASSWORD, request, account.email)
    except TooMany as error:
        blank = ChangePasswordForm(account=account)
        return refused(request, "change_password", {"form": blank}, error)
    if not form.is_valid():
        return page(request, "change_password", {"form": form})
    change_password(account, form.cleaned_data["password"])
    limits.forgive(limits.PASSWORD, account.email)
    # This browser stays signed in, under a new session name; all others are out.
    update_session_auth_hash(request, account.user)
    messages.success(request, "Your password is changed. Other devices were signed out.")
    return SeeOther(reverse("shop:account"))

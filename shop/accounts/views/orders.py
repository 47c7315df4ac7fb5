"""A shopper's orders, those placed as a guest, and the links to them by mail."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orders.selectors import guest_orders, orders_of_customer
from orders.services.ownership import claim_guest_orders
from shop.accounts import limits
from shop.accounts.book import addresses_of
from shop.accounts.errors import TooMany
from shop.accounts.forms import FindOrderForm
from shop.accounts.mail import ask_for_mail
from shop.accounts.signed_in import account_needed, current_account, private
from shop.accounts.views.answers import language_of, page, refused
from shop.http import SeeOther
from shop.models import Account, AccountMail

PER_PAGE = 10
_NEWEST = 3


@require_safe
@account_needed
def overview(request: HttpRequest, account: Account) -> HttpResponse:
    orders = orders_of_customer(account.user_id)
    return page(
        request,
        "overview",
        {
            "account": account,
            "orders": orders.prefetch_related("lines")[:_NEWEST],
            "order_count": orders.count(),
            "guest_count": guest_orders(account.email).count(),
            "address": addresses_of(account).first(),
            "address_count": addresses_of(account).count(),
        },
    )


@require_safe
@account_needed
def listing(request: HttpRequest, account: Account) -> HttpResponse:
    """`?page=`: one that there is not is the nearest that there is."""
    orders = orders_of_customer(account.user_id).prefetch_related("lines")
    shown = Paginator(orders, PER_PAGE).get_page(request.GET.get("page"))
    context = {"orders": shown, "guest_count": guest_orders(account.email).count()}
    return page(request, "orders", context)


@require_POST
@account_needed
def merge(request: HttpRequest, account: Account) -> HttpResponse:
    """Guest orders of the confirmed address; pressed twice, the second finds nothing to do."""
    merged = claim_guest_orders(account.user_id, account.email)
    if merged:
        told = "1 order is" if merged == 1 else f"{merged} orders are"
        messages.success(request, f"{told} in your account now.")
    return SeeOther(reverse("shop:my-orders"))


@private
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """Mails the links of the address's orders. What is answered tells nothing about them."""
    if request.method != "POST":
        account = current_account(request)
        known = {"email": account.email} if account else {}
        return page(request, "find_order", {"form": FindOrderForm(initial=known)})
    form = FindOrderForm(request.POST)
    if not form.is_valid():
        return page(request, "find_order", {"form": form})
    email = form.cleaned_data["email"]
    try:
        limits.count_try(limits.MAILS, request, email)
    except TooMany as error:
        return refused(request, "find_order", {"form": form}, error)
    ask_for_mail(
        AccountMail.Kind.ORDER_LINKS,
        email,
        language=language_of(request),
        order_number=form.cleaned_data["number"],
    )
    return SeeOther(reverse("shop:mail-on-its-way"))

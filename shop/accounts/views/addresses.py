"""The address book's pages. An entry of another account is not found."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from shop.accounts import book
from shop.accounts.errors import AccountError
from shop.accounts.forms import BookForm
from shop.accounts.signed_in import account_needed
from shop.accounts.views.answers import page, refused
from shop.countries import NAMES
from shop.http import SeeOther
from shop.models import Account, SavedAddress


@require_safe
@account_needed
def listing(request: HttpRequest, account: Account) -> HttpResponse:
    entries = book.addresses_of(account)
    rows = [(entry, NAMES.get(entry.country, entry.country)) for entry in entries]
    return page(request, "addresses", {"rows": rows, "most": book.MOST_ADDRESSES})


@require_http_methods(["GET", "HEAD", "POST"])
@account_needed
def add(request: HttpRequest, account: Account) -> HttpResponse:
    if request.method != "POST":
        return page(request, "address", {"form": BookForm()})
    form = BookForm(request.POST)
    if not form.is_valid():
        return page(request, "address", {"form": form})
    try:
        book.save_address(account, form.address(), make_default=form.cleaned_data["make_default"])
    except AccountError as error:
        return refused(request, "address", {"form": form}, error)
    messages.success(request, "The address is saved.")
    return SeeOther(reverse("shop:addresses"))


@require_http_methods(["GET", "HEAD", "POST"])
@account_needed
def change(request: HttpRequest, account: Account, pk: int) -> HttpResponse:
    entry = _entry(account, pk)
    if request.method != "POST":
        known = {**book.values(entry), "make_default": entry.is_default}
        return page(request, "address", {"form": BookForm(initial=known), "entry": entry})
    form = BookForm(request.POST)
    if not form.is_valid():
        return page(request, "address", {"form": form, "entry": entry})
    book.change_address(entry, form.address(), make_default=form.cleaned_data["make_default"])
    messages.success(request, "The address is changed.")
    return SeeOther(reverse("shop:addresses"))


@require_POST
@account_needed
def delete(request: HttpRequest, account: Account, pk: int) -> HttpResponse:
    """Deleting what is gone already is fine: that is what was wanted."""
    entry = account.addresses.filter(pk=pk).first()
    if entry is not None:
        book.delete_address(entry)
        messages.success(request, "The address is deleted. Orders keep theirs.")
    return SeeOther(reverse("shop:addresses"))


@require_POST
@account_needed
def make_default(request: HttpRequest, account: Account, pk: int) -> HttpResponse:
    book.choose_default(_entry(account, pk))
    return SeeOther(reverse("shop:addresses"))


def _entry(account: Account, pk: int) -> SavedAddress:
    entry = account.addresses.filter(pk=pk).first()
    if entry is None:
        raise Http404
    return entry

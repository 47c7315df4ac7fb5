"""The address book: several addresses, one of them the default."""

from django.db import transaction
from django.db.models import F, QuerySet

from orders.services.placement import Address
from shop.accounts.errors import AccountGone, BookFull
from shop.models import Account, SavedAddress

MOST_ADDRESSES = 20
_FIELDS = ("name", "line1", "line2", "postcode", "city", "country")


def addresses_of(account: Account) -> QuerySet[SavedAddress]:
    """The default first."""
    return account.addresses.all()


def address_for_checkout(account: Account, wanted: str) -> SavedAddress | None:
    """The entry of this number, else the default, else the first; None when the book is empty."""
    entries = list(addresses_of(account))
    chosen = [entry for entry in entries if str(entry.pk) == wanted]
    return next(iter([*chosen, *entries]), None)


def save_address(account: Account, address: Address, *, make_default: bool = False) -> None:
    """Put it into the book; one that is there already stays one. The first becomes the default.

    Raises BookFull.
    """
    with transaction.atomic():
        _lock(account)
        entry = account.addresses.filter(**values(address)).first()
        if entry is None:
            if account.addresses.count() >= MOST_ADDRESSES:
                raise BookFull(
                    f"Your address book holds {MOST_ADDRESSES} addresses, which is the most. "
                    "Delete one that you do not need any more."
                )
            entry = SavedAddress.objects.create(account=account, **values(address))
        if make_default or not account.addresses.filter(is_default=True).exists():
            _make_default(entry)


def change_address(entry: SavedAddress, address: Address, *, make_default: bool) -> None:
    """Overwrite the entry. One that becomes the same as another is that other one."""
    with transaction.atomic():
        _lock(entry.account)
        twin = entry.account.addresses.filter(**values(address)).exclude(pk=entry.pk).first()
        if twin is None:
            SavedAddress.objects.filter(pk=entry.pk).update(**values(address))
        else:
            make_default = make_default or entry.is_default
            SavedAddress.objects.filter(pk=entry.pk).delete()
            entry = twin
        if make_default:
            _make_default(entry)


def delete_address(entry: SavedAddress) -> None:
    """Take it out. When it was the default, the oldest of the others is the default then."""
    with transaction.atomic():
        _lock(entry.account)
        SavedAddress.objects.filter(pk=entry.pk).delete()
        heir = entry.account.addresses.order_by("id").first()
        if heir and not entry.account.addresses.filter(is_default=True).exists():
            _make_default(heir)


def choose_default(entry: SavedAddress) -> None:
    with transaction.atomic():
        _lock(entry.account)
        _make_default(entry)


def values(address: Address | SavedAddress) -> dict[str, str]:
    """The address as columns, and as fields of the checkout's form."""
    return {name: getattr(address, name) for name in _FIELDS}


def _make_default(entry: SavedAddress) -> None:
    # In this order: the constraint allows no moment with two.
    SavedAddress.objects.filter(account=entry.account_id, is_default=True).update(is_default=False)
    SavedAddress.objects.filter(pk=entry.pk).update(is_default=True)


def _lock(account: Account) -> None:
    """One change of a book at a time; the account's row is the book's lock."""
    # An update that changes nothing: a rival waits for our commit, and then sees what we did.
    if not Account.objects.filter(pk=account.pk).update(language=F("language")):
        raise AccountGone

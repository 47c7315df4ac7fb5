"""The page of a ticket: the checkout of one unit, with the time that is left for it.

Whoever is here holds a unit, so these pages may ask the database. As at the door, the signed token
in the form is the proof that the form is ours.
"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language_from_request
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from orders.errors import Busy, OutOfStock
from orders.services.cards import test_cards
from shop.accounts import book
from shop.accounts.client import client_of
from shop.accounts.signed_in import current_account
from shop.cart import Cart
from shop.flash_sales.entry import refuse
from shop.flash_sales.errors import LimitReached, TicketOver
from shop.flash_sales.giving_back import give_back
from shop.flash_sales.models import SaleItem, Ticket
from shop.flash_sales.ordering import order_with_ticket
from shop.flash_sales.selectors import ticket_of
from shop.flash_sales.shown import ShownSale
from shop.flash_sales.states import TicketStatus
from shop.flash_sales.tokens import TokenRefused
from shop.flash_sales.views.drawing import draw, find_item, personal
from shop.flash_sales.visitor import Visitor, who_posts, who_reads
from shop.flash_sales.words import Words, duration
from shop.forms import CheckoutForm
from shop.http import SeeOther

_SHORT = "This unit cannot be had any more. Nothing was ordered and nothing charged."
_OVER = {
    TicketStatus.EXPIRED: Words(
        "Your time was over",
        "The unit went to the next in line. Nothing was charged. You may go to the door again.",
    ),
    TicketStatus.RETURNED: Words(
        "The unit is given back",
        "It went to the next in line. Nothing was charged. You may go to the door again.",
    ),
}


@csrf_exempt  # the signed token of the form is the proof, see entry.py
@sensitive_post_parameters("card_number", "card_expiry", "card_cvc")
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    shown, item = find_item(slug, item_id)
    posts = request.method == "POST"
    try:
        visitor = who_posts(request, item) if posts else who_reads(request, item)
    except TokenRefused as error:
        refuse(item, error, address=client_of(request))
        return _told(shown, item, Words("This did not count", str(error)), 403)
    ticket = ticket_of(item, visitor.person) if visitor else None
    if visitor is None or ticket is None:
        return _see(shown, item, "line")
    if ticket.order is not None:
        return personal(SeeOther(reverse("shop:order", args=[ticket.order.token])))
    if ticket.status != TicketStatus.HELD:
        return _told(shown, item, _OVER[TicketStatus(ticket.status)], 409 if posts else 200)
    if posts:
        return _order(request, shown, ticket, visitor)
    return _page(request, shown, ticket, visitor, CheckoutForm(initial=_filled_in(request)))


@csrf_exempt  # as above
@require_POST
def return_unit(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    shown, item = find_item(slug, item_id)
    try:
        visitor = who_posts(request, item)
    except TokenRefused as error:
        refuse(item, error, address=client_of(request))
        return _told(shown, item, Words("This did not count", str(error)), 403)
    ticket = ticket_of(item, visitor.person)
    if ticket is not None:
        give_back(ticket)
    return _see(shown, item, "ticket")


def _order(
    request: HttpRequest, shown: ShownSale, ticket: Ticket, visitor: Visitor
) -> HttpResponse:
    form = CheckoutForm(request.POST)
    if not form.is_valid():
        return _page(request, shown, ticket, visitor, form, 422)
    account = current_account(request)
    command = form.command(
        _key(ticket),
        Cart(),
        customer_id=account.user_id if account else None,
        language=get_language_from_request(request),
    )
    try:
        order = order_with_ticket(ticket, command)
    except TicketOver:
        return _told(shown, ticket.item, _OVER[TicketStatus.EXPIRED], 409)
    except LimitReached as error:
        alert = f"{error} Nothing was ordered. Give the unit back, or use your own details."
        return _page(request, shown, ticket, visitor, form, 409, alert)
    except OutOfStock:
        return _page(request, shown, ticket, visitor, form, 409, _SHORT)
    except Busy as error:
        return _page(request, shown, ticket, visitor, form, 503, str(error))
    return personal(SeeOther(reverse("shop:order", args=[order.token])))


def _key(ticket: Ticket) -> UUID:
    """One ticket, one order, however often and from how many tabs its form is sent."""
    return UUID(bytes=salted_hmac("shop.flash_sales.ticket", ticket.nonce).digest()[:16])


def _page(
    request: HttpRequest,
    shown: ShownSale,
    ticket: Ticket,
    visitor: Visitor,
    form: CheckoutForm,
    status: int = 200,
    alert: str = "",
) -> HttpResponse:
    left = max(0, int(ticket.held_until.timestamp() - timezone.now().timestamp()))
    page = draw(
        "ticket.html",
        shown,
        item=ticket.item,
        ticket=ticket,
        offer=shown.offers.get(ticket.item.sku),
        form=form,
        token=visitor.token,
        alert=alert,
        time_left=duration(left),
        until_ms=int(ticket.held_until.timestamp() * 1_000),
        account=current_account(request),
        test_cards=test_cards(),
    )
    return personal(HttpResponse(page, status=status))


def _filled_in(request: HttpRequest) -> dict[str, str]:
    """What the account knows already."""
    account = current_account(request)
    if account is None:
        return {}
    entry = book.address_for_checkout(account, request.GET.get("address", ""))
    return {"email": account.email, **(book.values(entry) if entry else {})}


def _told(shown: ShownSale, item: SaleItem, words: Words, status: int = 200) -> HttpResponse:
    page = draw("answer.html", shown, item=item, words=words, said="")
    return personal(HttpResponse(page, status=status))


def _see(shown: ShownSale, item: SaleItem, name: str) -> HttpResponse:
    return personal(SeeOther(reverse(f"flash_sales:{name}", args=[shown.sale.slug, item.pk])))

"""What staff does with a sale. The database first; the keeper tells the gate within a second.

Claims inside one transaction, everywhere: the sale, its item, what is set aside, the SKU's row.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from orders.errors import NotCorrectable
from orders.locked import honest_about_locks
from orders.services import set_aside
from shop.flash_sales import log
from shop.flash_sales.errors import NotAllowed
from shop.flash_sales.models import FlashSale, SaleItem
from shop.flash_sales.states import SALE_TRANSITIONS, OnLostGate, SaleStatus

RUNNING = (SaleStatus.ANNOUNCED, SaleStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class NewSale:
    """``limit_per_person``: units; ``admission_per_second``: people let through to a ticket;
    ``challenge_work``: hashes that a browser does at most before its click counts, 0 for none."""

    slug: str
    title: str
    starts_at: datetime
    ends_at: datetime
    intro: str = ""
    limit_per_person: int = 1
    hold_seconds: int = 300
    admission_per_second: int = 50
    on_lost_gate: OnLostGate = OnLostGate.PAUSE
    challenge_work: int = 0
    is_rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class NewItem:
    sku: str
    title: str
    price_cents: int
    units: int


def create_sale(new: NewSale, *, actor: str) -> FlashSale:
    """A draft that nobody sees. Raises NotAllowed when the address is taken or it ends before it
    starts."""
    if new.ends_at <= new.starts_at:
        raise NotAllowed("The sale must end after it starts.")
    try:
        with transaction.atomic():
            sale = FlashSale.objects.create(
                **{name: getattr(new, name) for name in NewSale.__dataclass_fields__}
            )
            log.record(sale.pk, "created", "Drafted.", actor=actor)
    except IntegrityError as error:
        raise NotAllowed(f"There is a sale at '{new.slug}' already. Choose another.") from error
    return FlashSale.objects.get(pk=sale.pk)


def add_item(sale_id: int, new: NewItem, *, actor: str) -> SaleItem:
    """Put a SKU into a draft and keep its units for it. The same SKU twice is refused.

    Raises NotAllowed when the sale is no draft or too few units are free, Busy.
    """
    with honest_about_locks(), transaction.atomic():
        _claim(sale_id, (SaleStatus.DRAFT,), "Items can be added to a draft only.")
        try:
            with transaction.atomic():
                item = SaleItem.objects.create(
                    sale_id=sale_id, sku=new.sku, title=new.title, price_cents=new.price_cents
                )
        except IntegrityError as error:
            raise NotAllowed(f"{new.sku} is in this sale already.") from error
        try:
            kept = set_aside.set_aside(
                new.sku, new.units, purpose=f"flash-sale:{sale_id}:{item.pk}", actor=actor
            )
        except NotCorrectable as error:
            raise NotAllowed(str(error)) from error
        SaleItem.objects.filter(pk=item.pk).update(units=new.units, set_aside=kept)
        log.record(sale_id, "item_added", f"{new.units} × {new.sku} set aside.", actor=actor)
    return SaleItem.objects.select_related("sale").get(pk=item.pk)


def add_units(item_id: int, quantity: int, *, seen_units: int, actor: str) -> None:
    """Keep ``quantity`` (1 or more) more for the item. ``seen_units`` is how many it had when that
    was decided, so that a form that is sent twice adds once.

    Raises NotAllowed when that changed, the sale has ended or too few are free; Busy.
    """
    item = SaleItem.objects.get(pk=item_id)
    with honest_about_locks(), transaction.atomic():
        _claim(item.sale_id, (SaleStatus.DRAFT, *RUNNING), "The sale has ended.")
        # The same form twice, or two of the staff: the second finds other units than it saw.
        as_seen = SaleItem.objects.filter(pk=item_id, units=seen_units)
        if quantity < 1 or not as_seen.update(units=F("units") + quantity):
            raise NotAllowed(
                "Give 1 or more units."
                if quantity < 1
                else f"{item.sku} has other than {seen_units} units by now. Look again."
            )
        try:
            set_aside.add_units(_set_aside_of(item), quantity)
        except NotCorrectable as error:
            raise NotAllowed(str(error)) from error
        log.record(item.sale_id, "units_added", f"{quantity} more × {item.sku}.", actor=actor)


def announce(sale_id: int, *, actor: str) -> bool:
    """Show the sale; it opens by itself when its time comes. False when it was announced before.

    Raises NotAllowed when it has no units, is over by the clock, or is paused or ended.
    """
    sale = FlashSale.objects.get(pk=sale_id)
    if not sale.items.filter(units__gt=0).exists():
        raise NotAllowed("Nothing is set aside for this sale yet. Add an item with units first.")
    if FlashSale.objects.filter(pk=sale_id, ends_at__lte=Now()).exists():
        raise NotAllowed("Its end is in the past. Change the times first.")
    if sale.status == SaleStatus.PAUSED:
        raise NotAllowed("It is paused: resume it instead.")
    wanted, only = SaleStatus.ANNOUNCED, SaleStatus.DRAFT
    return _move(sale_id, wanted, "announced", "Announced.", actor=actor, only=only)


def pause(sale_id: int, reason: str, *, actor: str) -> bool:
    """Let nobody through until ``resume``; those with a ticket may pay. False when it is paused."""
    text = f"Paused: {reason}"
    return _move(sale_id, SaleStatus.PAUSED, "paused", text, actor=actor, pause_reason=reason[:200])


def resume(sale_id: int, *, actor: str) -> bool:
    """Go on after a pause. False when it was going on. Raises NotAllowed for a draft."""
    wanted, only = SaleStatus.ANNOUNCED, SaleStatus.PAUSED
    return _move(sale_id, wanted, "resumed", "Resumed.", actor=actor, only=only, pause_reason="")


def change_rate(sale_id: int, admission_per_second: int, *, actor: str) -> bool:
    """How many people are let through each second, 1 to 10,000. False when it was so."""
    if not 1 <= admission_per_second <= 10_000:
        raise NotAllowed("The rate must be between 1 and 10,000 people a second.")
    with honest_about_locks(), transaction.atomic():
        _claim(sale_id, (SaleStatus.DRAFT, *RUNNING), "The sale has ended.")
        other = FlashSale.objects.filter(pk=sale_id).exclude(
            admission_per_second=admission_per_second
        )
        if not other.update(admission_per_second=admission_per_second):
            return False
        text = f"{admission_per_second} people a second."
        log.record(sale_id, "rate_changed", text, actor=actor)
    return True


def end(sale_id: int, *, actor: str) -> bool:
    """End it for good; its free units are everybody's again. Tickets keep their units until their
    own time is over. False when it had ended."""
    ended = _move(sale_id, SaleStatus.ENDED, "ended", "Ended.", actor=actor, ended_at=Now())
    give_back_free(sale_id, actor=actor)
    return ended


def give_back_free(sale_id: int, *, actor: str) -> int:
    """Units of an ended sale that no ticket holds go back to everybody; how many. Also after the
    end, when a ticket expires. What is set aside is closed with the last ticket."""
    return sum(_give_back(item, actor) for item in _unclosed_items(sale_id))


def _unclosed_items(sale_id: int) -> list[SaleItem]:
    ended = SaleItem.objects.filter(sale_id=sale_id, sale__status=SaleStatus.ENDED)
    return list(ended.filter(set_aside__closed_at=None, set_aside__isnull=False))


def _give_back(item: SaleItem, actor: str) -> int:
    with honest_about_locks(), transaction.atomic():
        # A ticket that moves now changes the row: then the next look gives them back.
        as_seen = SaleItem.objects.filter(
            pk=item.pk, units=item.units, held=item.held, sold=item.sold
        )
        if not as_seen.update(units=item.units - item.free):
            return 0
        if item.free:
            set_aside.keep_less(_set_aside_of(item), item.free)
            text = f"{item.free} × {item.sku} went back to stock."
            log.record(item.sale_id, "units_back", text, actor=actor)
        if item.held == 0:
            # More than the free ones are left where an order was cancelled after it was paid.
            set_aside.close(_set_aside_of(item))
    return item.free


def _move(
    sale_id: int,
    wanted: SaleStatus,
    kind: str,
    text: str,
    *,
    actor: str,
    only: SaleStatus | None = None,
    **changes: object,
) -> bool:
    """``only``: of the states from which it may become ``wanted``, the one that is meant."""
    sources = [state for state, targets in SALE_TRANSITIONS.items() if wanted in targets]
    if only is not None:
        sources = [only]
    with honest_about_locks(), transaction.atomic():
        # Two buttons at once: one moves it, the other finds it moved.
        if not FlashSale.objects.filter(pk=sale_id, status__in=sources).update(
            status=wanted, **changes
        ):
            status = SaleStatus(FlashSale.objects.values_list("status", flat=True).get(pk=sale_id))
            if status == wanted:
                return False
            raise NotAllowed(f"The sale is {status.label}: it cannot become {wanted.label}.")
        log.record(sale_id, kind, text, actor=actor)
    return True


def _claim(sale_id: int, allowed: tuple[SaleStatus, ...], refusal: str) -> None:
    """Keep the sale in one of these states until the transaction ends. Raises NotAllowed."""
    in_state = FlashSale.objects.filter(pk=sale_id, status__in=allowed)
    if not in_state.update(status=F("status")):
        raise NotAllowed(refusal)


def _set_aside_of(item: SaleItem) -> int:
    if item.set_aside_id is None:
        raise NotAllowed(f"Nothing is set aside for {item.sku}.")
    return item.set_aside_id

"""Rehearsals for tests: asked for, taken, left alone for long."""

from datetime import timedelta

from django.db.models.functions import Now

from shop.flash_sales import rehearsing
from shop.flash_sales.models import Rehearsal, SaleItem
from shop.flash_sales.rehearsing import NewRehearsal
from shop.flash_sales.shadow import make_shadow
from tests.integration.back_office_sales import open_sale

MINUTE = timedelta(minutes=1)
SMALL = NewRehearsal(units=10, crowd=60)


def asked() -> Rehearsal:
    return rehearsing.ask(open_sale().sale_id, SMALL, actor="staff anna")


def running() -> Rehearsal:
    asked()
    taken = rehearsing.claim_next()
    assert taken is not None
    return taken


def shadow_of(rehearsal: Rehearsal) -> SaleItem:
    return make_shadow(rehearsal, starts_in=MINUTE, lasts=MINUTE)


def reread(rehearsal: Rehearsal) -> Rehearsal:
    return Rehearsal.objects.select_related("shadow").get(pk=rehearsal.pk)


def let_pass(rehearsal: Rehearsal, **times: timedelta) -> None:
    """Set these columns so long ago."""
    ago = {column: Now() - time for column, time in times.items()}
    Rehearsal.objects.filter(pk=rehearsal.pk).update(**ago)

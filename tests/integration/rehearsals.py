"""Rehearsals for tests: asked for, taken, left alone for long."""

from datetime import timedelta

from django.db.models.functions import Now

from shop.flash_sales import rehearsing
from shop.flash_sales.models import Rehearsal
from shop.flash_sales.rehearsing import NewRehearsal
from tests.integration.back_office_sales import open_sale

SMALL = NewRehearsal(units=10, crowd=60)


def asked() -> Rehearsal:
    return rehearsing.ask(open_sale().sale_id, SMALL, actor="staff anna")


def running() -> Rehearsal:
    asked()
    taken = rehearsing.claim_next()
    assert taken is not None
    return taken


def reread(rehearsal: Rehearsal) -> Rehearsal:
    return Rehearsal.objects.select_related("shadow").get(pk=rehearsal.pk)


def let_pass(rehearsal: Rehearsal, **times: timedelta) -> None:
    """Set these columns so long ago."""
    ago = {column: Now() - time for column, time in times.items()}
    Rehearsal.objects.filter(pk=rehearsal.pk).update(**ago)

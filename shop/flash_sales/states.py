"""The states of a sale, a ticket and a rehearsal, and the transitions that are allowed. Pure."""

from datetime import datetime
from enum import Enum

from django.db.models import TextChoices


class SaleStatus(TextChoices):
    DRAFT = "draft", "draft"
    ANNOUNCED = "announced", "announced"
    PAUSED = "paused", "paused"
    ENDED = "ended", "ended"


class TicketStatus(TextChoices):
    HELD = "held", "held for a person"
    ORDERED = "ordered", "ordered, not paid yet"
    SOLD = "sold", "sold"
    EXPIRED = "expired", "expired"
    RETURNED = "returned", "given back"


class OnLostGate(TextChoices):
    PAUSE = "pause", "pause until the gate is rebuilt"
    DATABASE = "database", "go on with the database alone, slower"


class IdentityKind(TextChoices):
    """By what a person is known, in the order in which all claim them."""

    PERSON = "person", "visitor or account"
    MAIL = "mail", "e-mail address"
    ADDRESS = "address", "postal address"
    CARD = "card", "card"


class RehearsalStatus(TextChoices):
    ASKED = "asked", "asked for"
    RUNNING = "running", "running"
    HELD = "held", "it held"
    BROKEN = "broken", "a promise was broken"
    FAILED = "failed", "could not be done"


class Kill(TextChoices):
    """What is killed while a rehearsal runs, with ``kill -9``, one part after another."""

    NOTHING = "", "nothing"
    WORKERS = "workers", "workers"
    RELAY = "relay", "the relay"
    REDIS = "redis", "Redis"
    RABBITMQ = "rabbitmq", "RabbitMQ"
    KEEPER = "keeper", "the keeper"
    WEB = "web", "the web server"
    ALL = "all", "each of them in turn"


class Phase(Enum):
    """Where an announced sale stands by the clock."""

    BEFORE = "before"
    OPEN = "open"
    OVER = "over"


SALE_TRANSITIONS: dict[SaleStatus, frozenset[SaleStatus]] = {
    SaleStatus.DRAFT: frozenset({SaleStatus.ANNOUNCED, SaleStatus.ENDED}),
    SaleStatus.ANNOUNCED: frozenset({SaleStatus.PAUSED, SaleStatus.ENDED}),
    SaleStatus.PAUSED: frozenset({SaleStatus.ANNOUNCED, SaleStatus.ENDED}),
    SaleStatus.ENDED: frozenset(),
}

TICKET_TRANSITIONS: dict[TicketStatus, frozenset[TicketStatus]] = {
    TicketStatus.HELD: frozenset(
        {TicketStatus.ORDERED, TicketStatus.EXPIRED, TicketStatus.RETURNED}
    ),
    # A declined card may be followed by another one while the order's hold lasts.
    TicketStatus.ORDERED: frozenset({TicketStatus.SOLD, TicketStatus.EXPIRED}),
    TicketStatus.SOLD: frozenset(),
    # Money that came late revives an order, with units from the shelf: the sale has nothing to do.
    TicketStatus.EXPIRED: frozenset(),
    TicketStatus.RETURNED: frozenset(),
}

REHEARSAL_TRANSITIONS: dict[RehearsalStatus, frozenset[RehearsalStatus]] = {
    RehearsalStatus.ASKED: frozenset({RehearsalStatus.RUNNING, RehearsalStatus.FAILED}),
    RehearsalStatus.RUNNING: frozenset(
        {RehearsalStatus.HELD, RehearsalStatus.BROKEN, RehearsalStatus.FAILED}
    ),
    RehearsalStatus.HELD: frozenset(),
    RehearsalStatus.BROKEN: frozenset(),
    RehearsalStatus.FAILED: frozenset(),
}

OPEN_REHEARSALS = (RehearsalStatus.ASKED, RehearsalStatus.RUNNING)

LIVE_TICKETS = (TicketStatus.HELD, TicketStatus.ORDERED)
"""Tickets whose units are neither free nor sold."""


def phase_at(now: datetime, starts_at: datetime, ends_at: datetime) -> Phase:
    if now < starts_at:
        return Phase.BEFORE
    return Phase.OPEN if now < ends_at else Phase.OVER

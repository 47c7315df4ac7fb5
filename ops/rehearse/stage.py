"""The sale of a rehearsal in a running stack: made, watched and counted by ``manage.py``."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from ops.rehearse.handover import NOT_MEASURED, Handover, Look, due_at, measure
from ops.rehearse.plan import Wishes
from ops.stack.errors import StackError
from ops.stack.running import RunningStack

# So many people come to the door in a second before the start.
_COME_PER_SECOND = 120
_LEAD_SECONDS = 4

_MAKE = """
import json
from datetime import timedelta
from django.utils import timezone
from orders.services.shelf import receive_stock
from shop.flash_sales import selling
from shop.flash_sales.selling import NewItem, NewSale
from shop.flash_sales.states import OnLostGate
wanted = json.loads({wanted!r})
receive_stock(wanted["sku"], wanted["units"], "rehearsal")
starts = timezone.now() + timedelta(seconds=wanted["lead_seconds"])
sale = selling.create_sale(NewSale(
    wanted["slug"], "Rehearsal", starts, starts + timedelta(hours=1),
    hold_seconds=wanted["hold_seconds"], admission_per_second=wanted["rate"],
    challenge_work=wanted["challenge_work"],
    on_lost_gate=OnLostGate(wanted["on_lost_gate"]), is_rehearsal=True), actor="rehearsal")
item = selling.add_item(
    sale.pk, NewItem(wanted["sku"], "Shadow unit", 1_000, wanted["units"]), actor="rehearsal")
selling.announce(sale.pk, actor="rehearsal")
print(json.dumps({{"sale_id": sale.pk, "item_id": item.pk, "starts": starts.timestamp()}}))
"""
_COUNT = """
import json
from collections import Counter
from shop.flash_sales.drift import drift_of
from shop.flash_sales.models import SaleEvent, SaleItem, Ticket
item = SaleItem.objects.select_related("sale").get(pk={item_id})
drift = drift_of(item)
rows = Ticket.objects.filter(item=item)
tickets = list(rows.values_list("status", "person", "order__number"))
sold = [(person, order) for status, person, order in tickets if status == "sold"]
events = list(SaleEvent.objects.filter(sale=item.sale).order_by("pk").values_list("kind", "at"))
pause, since = 0.0, None
for kind, at in events:
    if kind in ("gate_away", "gate_lost"):
        since = since or at
    elif kind == "gate_built" and since:
        pause, since = max(pause, (at - since).total_seconds()), None
print(json.dumps({{
    "units": item.units, "held": item.held, "sold": item.sold, "drift": drift.units,
    "tickets": dict(Counter(status for status, _, _ in tickets)),
    "most_per_person": max(Counter(person for person, _ in sold).values(), default=0),
    "orders": len({{order for _, order in sold}}),
    "limit": item.sale.limit_per_person, "generation": item.sale.generation,
    "events": [kind for kind, _ in events], "pause_seconds": pause,
}}))
"""
_HANDS = """
import json
from django.db.models import Max, Q
from shop.flash_sales.models import SaleItem, SaleSample, Ticket
from shop.flash_sales.sampling import read_figures
item = SaleItem.objects.select_related("sale").get(pk={item_id})
declined = Max("order__timeline__at", filter=Q(order__timeline__kind="declined"))
names = ("status", "created_at", "held_until", "ended_at", "declined_at", "order__cancelled_at")
rows = Ticket.objects.filter(item=item).order_by("pk").annotate(declined_at=declined)
samples = SaleSample.objects.filter(sale=item.sale).order_by("at").values_list("at", "figures")
looks = [(at.timestamp(), read_figures(figures)) for at, figures in samples]
print(json.dumps({{
    "units": item.units, "rate": item.sale.admission_per_second,
    "tickets": [
        {{name.removeprefix("order__"): value and getattr(value, "timestamp", lambda: value)()
          for name, value in zip(names, row)}}
        for row in rows.values_list(*names)],
    "looks": [(at, figures.free, figures.line) for at, figures in looks],
}}, default=str))
"""
_END = """
from shop.flash_sales import selling
selling.end({sale_id}, actor="rehearsal")
"""
_DRAW = """
from django.template.loader import render_to_string
from shop.flash_sales.console import look_at
from shop.flash_sales.models import FlashSale
for plot in look_at(FlashSale.objects.get(pk={sale_id})).plots:
    print(render_to_string("flash_sales/plot.svg", {{"plot": plot}}).strip())
    names = "".join(
        f' <tspan fill="{{line.colour}}">{{line.name}} {{line.newest}}</tspan>'
        for line in plot.lines)
    print(f"\\x1e{{plot.title}}:{{names}}\\x1e")
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says of the sale. ``drift``: gate minus database, None for no gate.
    ``orders``: different orders of sold tickets. ``events``: kinds of the sale's timeline.
    ``pause_seconds``: the longest time between the loss of a gate and its rebuilding. ``handover``
    is known when nothing is in flight any more (``with_handover``)."""

    units: int
    held: int
    sold: int
    drift: int | None
    tickets: dict[str, int]
    most_per_person: int
    orders: int
    limit: int
    generation: int
    events: list[str]
    pause_seconds: float
    handover: Handover = NOT_MEASURED

    @property
    def free(self) -> int:
        return self.units - self.held - self.sold


@dataclass(frozen=True, slots=True)
class Stage:
    """One sale with one item, in a stack. ``starts``: seconds of the epoch."""

    stack: RunningStack
    slug: str
    sale_id: int
    item_id: int
    starts: float

    @classmethod
    def set_up(cls, stack: RunningStack, wishes: Wishes, *, on_lost_gate: str = "pause") -> "Stage":
        """Announce a sale that starts when the crowd has had time to come to the door."""
        name = f"rehearsal-{uuid4().hex[:8]}"
        wanted = {
            "slug": name,
            "sku": name.upper(),
            "units": wishes.units,
            "hold_seconds": wishes.hold_seconds,
            "rate": wishes.rate,
            "challenge_work": wishes.challenge,
            "lead_seconds": lead_seconds(wishes.crowd),
            "on_lost_gate": on_lost_gate,
        }
        made = json.loads(_python(stack, _MAKE.format(wanted=json.dumps(wanted))))
        return cls(stack, name, made["sale_id"], made["item_id"], made["starts"])

    def starts_in_seconds(self) -> float:
        return max(0.0, self.starts - time.time())

    @property
    def path(self) -> str:
        return f"/sale/{self.slug}/{self.item_id}/"

    def facts(self) -> Facts:
        found: dict[str, Any] = json.loads(self._python(_COUNT))
        return Facts(**found)

    def with_handover(self, facts: Facts) -> Facts:
        """The facts, and how long units that came back lay there."""
        found: dict[str, Any] = json.loads(self._python(_HANDS))
        tickets, looks = found["tickets"], [Look(*look) for look in found["looks"]]
        due = [at for ticket in tickets if (at := due_at(ticket)) is not None]
        # A grant that was never written down took no unit, though it has a row.
        given = [one["created_at"] for one in tickets if one["held_until"] > one["created_at"]]
        return replace(facts, handover=measure(found["units"], given, due, looks, found["rate"]))

    def end(self) -> None:
        self._python(_END)

    def proof(self) -> tuple[bool, str]:
        """Whether the sale's own proof holds, and its words."""
        answer = self.stack.manage("audit", "--settled", "--sale", self.slug)
        words = answer.stdout if answer.returncode in (0, 1) else answer.stderr[-2_000:]
        return answer.returncode == 0, words.strip()

    def draw(self, file: Path) -> None:
        """The plots of the console, one below the other, as one SVG file."""
        parts = self._python(_DRAW).split("\x1e")
        drawings, titles = parts[0:-1:2], parts[1::2]
        file.write_text(_one_drawing(drawings, titles), encoding="utf-8")

    def _python(self, code: str) -> str:
        return _python(self.stack, code.format(sale_id=self.sale_id, item_id=self.item_id))


def lead_seconds(crowd: int) -> float:
    """From the announcement to the start: everybody can be at the door by then."""
    return _LEAD_SECONDS + crowd / _COME_PER_SECOND


def _python(stack: RunningStack, code: str) -> str:
    answer = stack.manage("shell", "--no-imports", "-c", code)
    if answer.returncode:
        raise StackError(f"manage.py could not do it: {answer.stderr[-2000:]}")
    return answer.stdout.strip()


_WIDTH, _HEIGHT, _WORDS = 360, 190, 22


def _one_drawing(drawings: list[str], titles: list[str]) -> str:
    each = _HEIGHT + _WORDS
    rows = [
        f'<text x="6" y="{index * each + 15}" font-size="10">{title}</text>\n'
        + drawing.strip().replace(
            "<svg ", f'<svg y="{index * each + _WORDS}" width="{_WIDTH}" height="{_HEIGHT}" ', 1
        )
        for index, (drawing, title) in enumerate(zip(drawings, titles, strict=True))
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {each * len(rows)}" '
        'font-family="system-ui, sans-serif" color="#222" fill="#222">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *rows, "</svg>"]) + "\n"

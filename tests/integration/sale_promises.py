"""What holds of a sale at every moment, and what holds of it once all has come to rest."""

from collections import Counter
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from ops.lifecycle.errors import Broken
from orders.models import Order, StockItem
from orders.states import OrderStatus
from orders.stock_books import books_of, with_books
from shop.flash_sales import selling
from shop.flash_sales.drift import drift_of
from shop.flash_sales.entry import answer_poll
from shop.flash_sales.gate import Gate
from shop.flash_sales.keeper import Keeper
from shop.flash_sales.models import Ticket
from shop.flash_sales.proof import gate_faults, prove_sale
from shop.flash_sales.rebuilding import gate_of
from shop.flash_sales.replies import Reply, Said
from shop.flash_sales.states import LIVE_TICKETS, SaleStatus, TicketStatus
from tests.integration.sale_deeds import an_hour_later, open_payment, settle
from tests.integration.sale_world import PEOPLE, World

_COUNTED = (*LIVE_TICKETS, TicketStatus.SOLD)
_ROUNDS = 8
_USED = 4  # KEYS 5 of common.lua

# One statement is one moment. Whoever has committed nothing has changed nothing here.
_UNITS = """
SELECT i.id, i.units, i.held, i.sold, a.quantity, a.taken, a.closed_at IS NOT NULL,
       count(t.id) FILTER (WHERE t.status IN ('held', 'ordered')),
       count(t.id) FILTER (WHERE t.status = 'sold')
  FROM flash_sales_saleitem i
  JOIN orders_setaside a ON a.id = i.set_aside_id
  LEFT JOIN flash_sales_ticket t ON t.item_id = i.id
 WHERE i.sale_id = $1 GROUP BY i.id, a.id
"""
_TOO_MANY = """
SELECT 'person ' || t.person, count(*)
  FROM flash_sales_ticket t JOIN flash_sales_saleitem i ON i.id = t.item_id
  JOIN flash_sales_flashsale s ON s.id = i.sale_id
 WHERE i.sale_id = $1 AND t.status IN ('held', 'ordered', 'sold')
 GROUP BY t.person, s.limit_per_person HAVING count(*) > s.limit_per_person
UNION ALL
SELECT 'address ' || o.ship_to_line1, count(*)
  FROM flash_sales_ticket t JOIN flash_sales_saleitem i ON i.id = t.item_id
  JOIN flash_sales_flashsale s ON s.id = i.sale_id JOIN orders_order o ON o.id = t.order_id
 WHERE i.sale_id = $1 AND t.status IN ('ordered', 'sold')
 GROUP BY o.ship_to_line1, s.limit_per_person HAVING count(*) > s.limit_per_person
UNION ALL
SELECT n.kind || ' ' || n.digest, n.slot
  FROM flash_sales_saleidentity n JOIN flash_sales_flashsale s ON s.id = n.sale_id
 WHERE n.sale_id = $1 AND n.slot > s.limit_per_person
UNION ALL
SELECT 'used before its time: ticket ' || t.id, 1
  FROM flash_sales_ticket t JOIN flash_sales_saleitem i ON i.id = t.item_id
 WHERE i.sale_id = $1 AND t.status = 'expired' AND t.order_id IS NULL
   AND t.ended_at < t.held_until
"""


class Reader:
    """Looks by a connection of its own."""

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()
        self._cursor.execute(f"PREPARE sale_units(bigint) AS {_UNITS}")
        self._cursor.execute(f"PREPARE sale_too_many(bigint) AS {_TOO_MANY}")

    def look(self, sale_id: int) -> None:
        """What holds at every moment. Raises Broken."""
        for row in self._ask("sale_units", sale_id):
            item, units, held, sold, quantity, taken, is_closed, live, sold_tickets = row
            if (held, sold) != (live, sold_tickets):
                told = f"tickets: {live} live, {sold_tickets} sold"
                raise Broken(f"Item {item}: {held} held, {sold} sold; {told}.")
            if units - held - sold < 0 or min(units, held, sold, taken) < 0:
                raise Broken(f"Item {item}: {units} units, {held} held, {sold} sold.")
            if not is_closed and quantity != units:
                raise Broken(f"Item {item}: {units} units, {quantity} are set aside.")
            if taken > held + sold:
                raise Broken(f"Item {item}: orders took {taken}; {held} held, {sold} sold.")
        if found := self._ask("sale_too_many", sale_id):
            raise Broken(f"Above the limit, or before its time: {found}")

    def _ask(self, name: str, sale_id: int) -> list[Any]:
        self._cursor.execute(f"EXECUTE {name}(%s)", [sale_id])
        found: list[Any] = self._cursor.fetchall()
        return found


def come_to_rest(world: World) -> None:
    """The bank answers, keepers look, staff lets people through, and who waits asks again; then the
    sale ends, and every ticket with it. Raises Broken."""
    world.bank.moods.clear()
    world.bank.catch_up()
    if world.sale().status == SaleStatus.PAUSED:
        selling.resume(world.sale_id, actor="test")
    _settle_orders(world)
    _keep()
    _give_back_unwritten(world)
    replies = _all_ask(world)
    _keep()
    _settled_gates(world)
    for (item_id, person), reply in replies.items():
        _is_true(world, item_id, person, reply)
    _end(world)


def answers_are_kept(world: World) -> None:
    """Whoever was told of a ticket had it. Raises Broken."""
    for told in world.told:
        if not isinstance(told.reply.said, Said):
            raise Broken(f"{told.person} was told {told.reply.said}.")
        if told.reply.said == Said.TICKET and not _has_had(told.item_id, told.person, told.reply):
            raise Broken(f"{told.person} was told of a ticket of item {told.item_id}, and has none")


def _has_had(item_id: int, person: str, reply: Reply) -> bool:
    theirs = Ticket.objects.filter(item=item_id, person=person, nonce=reply.nonce)
    return theirs.exclude(held_until=F("created_at")).exists()


def _settle_orders(world: World) -> None:
    ours = Ticket.objects.filter(item__sale=world.sale_id, order__isnull=False)
    for ticket in ours:
        if payment := open_payment(ticket):
            settle(world, payment)
    declined = ours.filter(order__status=OrderStatus.PAYMENT_FAILED, status__in=LIVE_TICKETS)
    _time_is_over(list(declined))


def _time_is_over(over: list[Ticket]) -> None:
    ids = [ticket.order_id for ticket in over if ticket.order_id]
    Order.objects.filter(pk__in=ids).update(hold_expires_at=Now())
    Ticket.objects.filter(pk__in=[ticket.pk for ticket in over]).update(held_until=Now())


def _keep() -> None:
    for _ in range(2):
        with an_hour_later():
            Keeper().keep_once()


def _give_back_unwritten(world: World) -> None:
    """A unit that comes back is granted to the next in line, who may not be there either."""
    for _ in range(_ROUNDS):
        grants = [grant for item in world.items() for grant in gate_of(item).grants()]
        kept_for = [grant.person for grant in grants if not grant.written]
        if not kept_for:
            return
        _keep()
    raise Broken(f"Units are kept for {kept_for}, whose processes have died.")


def _all_ask(world: World) -> dict[tuple[int, str], Reply]:
    """Until nothing changes any more; the last answer of each."""
    replies: dict[tuple[int, str], Reply] = {}
    for _ in range(_ROUNDS):
        before, replies = replies, {}
        for item in world.items():
            for person in PEOPLE:
                world.seconds += 1
                place = world.place(item.pk, person)
                reply = answer_poll(item.sale, item, person, place)
                world.hear(item.pk, person, reply)
                replies[item.pk, person] = reply
        if {key: reply.said for key, reply in before.items()} == {
            key: reply.said for key, reply in replies.items()
        }:
            return replies
    raise Broken("Answers go on changing although nothing happens any more.")


def _settled_gates(world: World) -> None:
    used: Counter[str] = Counter(
        Ticket.objects.filter(item__sale=world.sale_id, status__in=_COUNTED)
        .order_by()
        .values_list("person", flat=True)
    )
    for item in world.items():
        drift = drift_of(item)
        if drift.gate is None:
            raise Broken(f"Item {item.pk} has no gate.")
        if found := list(gate_faults(drift)):
            raise Broken(f"Item {item.pk}: {found[0]}")
        known = {grant.person: grant.nonce for grant in gate_of(item).grants()}
        live = Ticket.objects.filter(item=item, status__in=LIVE_TICKETS)
        if known != dict(live.values_list("person", "nonce")):
            raise Broken(f"Item {item.pk}: the gate knows other tickets: {known}")
        said = _units_by_the_gate(gate_of(item))
        # With too many, a person is refused what they may have.
        if said != dict(used):
            raise Broken(f"The gate believes {said} of people's units; they have {dict(used)}.")


def _units_by_the_gate(gate: Gate) -> dict[str, int]:
    found = gate._call(lambda client: client.hgetall(gate._keys[_USED]))
    return {person: int(units) for person, units in found.items()}


def _is_true(world: World, item_id: int, person: str, reply: Reply) -> None:
    item = next(one for one in world.items() if one.pk == item_id)
    theirs = Ticket.objects.filter(item__sale=world.sale_id, person=person, status__in=_COUNTED)
    has_live = theirs.filter(item=item, status__in=LIVE_TICKETS).exists()
    has_ended = item.sale.status == SaleStatus.ENDED
    is_true = {
        Said.TICKET: has_live,
        Said.IN_LINE: not has_live and item.free == 0 and item.held > 0,
        Said.SOLD_OUT: item.free == 0 and item.held == 0,
        Said.LIMIT_REACHED: theirs.count() >= item.sale.limit_per_person,
        Said.TOO_LATE: has_ended,
        Said.NOT_IN_LINE: not has_live,
    }
    if not is_true.get(reply.said, False):
        raise Broken(
            f"{person} is told {reply.said} of item {item_id}: {item.units} units, {item.held} "
            f"held, {item.sold} sold; has {[str(ticket) for ticket in theirs]}"
        )


def _end(world: World) -> None:
    selling.end(world.sale_id, actor="test")
    live = Ticket.objects.filter(item__sale=world.sale_id, status__in=LIVE_TICKETS)
    _time_is_over(list(live))
    _keep()
    if left := list(live.all()):
        raise Broken(f"Never come to an end: {[str(ticket) for ticket in left]}")
    for item in world.items():
        if item.units != item.sold or item.set_aside is None or item.set_aside.closed_at is None:
            raise Broken(f"Item {item.pk} has ended with {item.units} units, {item.sold} sold.")
    faults = [
        fault for rule in prove_sale(world.sale().slug, True).rules for fault in rule.breaches
    ]
    if faults:
        raise Broken(f"The proof of the sale says: {faults}")
    skus = [item.sku for item in world.items()]
    for row in with_books(StockItem.objects.filter(sku__in=skus)):
        if not books_of(row).is_right:
            raise Broken(f"The stock's books of {row.sku}: {books_of(row)}")

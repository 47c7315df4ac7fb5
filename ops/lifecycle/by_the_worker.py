"""What workers, sweeps and time do."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import connection

from orders import task_names
from tasks.models import OutboxMessage

if TYPE_CHECKING:
    from ops.lifecycle.world import World

Job = Callable[[], str]

# Every column from which a state's age is counted.
_CLOCKS = {
    "orders_order": ("changed_at", "hold_expires_at"),
    "orders_payment": ("created_at", "asked_at"),
    "orders_refund": ("created_at", "asked_at"),
    "orders_return": ("announced_at",),
    "orders_notification": ("created_at",),
    "tasks_outboxmessage": ("not_before",),
}


class Died(BaseException):
    """The worker was killed here. Nobody can catch it but who started the worker."""


def work(world: "World", which: int, _: int) -> Job:
    return _on(world, world.messages.waiting(), which, overtake=False)


def work_again(world: "World", which: int, _: int) -> Job:
    return _on(world, world.messages.handled(), which, overtake=False)


def work_overtaking(world: "World", which: int, _: int) -> Job:
    return _on(world, world.messages.waiting() or world.messages.handled(), which, overtake=True)


def work_dies(world: "World", which: int, how: int) -> Job:
    """Killed before one of its statements; the broker delivers the message once more."""
    job = work(world, which, how)
    message = _chosen(world.messages.waiting(), which)

    def die() -> str:
        with world.stage.mortal(3 + 3 * how + which, Died):
            try:
                return job()
            except Died:
                pass
        if message is not None:
            world.messages.again(message)
        return "killed"

    return die


def expire(world: "World", which: int, _: int) -> Job:
    """Its hold has ended, and the sweep comes by."""
    order_id = world.order_id(which)

    def job() -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET hold_expires_at = now() - interval '1 second', "
                "swept_at = NULL WHERE id = %s",
                [order_id],
            )
        world.messages.sweep(task_names.EXPIRE_HOLDS)
        return f"order {order_id}"

    return job


def resume(world: "World", _which: int, _how: int) -> Job:
    def job() -> str:
        world.bank.catch_up()  # no request is under way for so long
        age(world, "10 minutes", but=("hold_expires_at",))
        world.messages.sweep(task_names.RESUME_STUCK_ORDERS)
        return "swept"

    return job


def lapse(world: "World", _which: int, _how: int) -> Job:
    """Returns that were announced never arrived."""

    def job() -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_return SET announced_at = announced_at - interval '40 days', "
                "swept_at = NULL WHERE order_id = ANY(%s)",
                [world.orders],
            )
        world.messages.sweep(task_names.LAPSE_RETURNS)
        return "swept"

    return job


def remind(world: "World", _which: int, _how: int) -> Job:
    def job() -> str:
        world.messages.sweep(task_names.REMIND_OF_HOLDS)
        return "swept"

    return job


def a_day_goes_by(world: "World", _which: int, _how: int) -> Job:
    def job() -> str:
        if world.stage.is_anybody_midway:
            # A task is killed after CELERY_TASK_TIME_LIMIT: none is between two of its statements
            # for a day. Played so, it asks the bank under a key that was fresh when it looked.
            return "not today: somebody is in the middle of something"
        world.bank.catch_up()
        world.bank.forget_keys()
        age(world, "1 day", but=("hold_expires_at",))
        return "the bank has forgotten its keys"

    return job


def age(world: "World", interval: str, *, but: tuple[str, ...] = ()) -> None:
    """As if ``interval`` had gone by for all rows of this world."""
    with connection.cursor() as cursor:
        for table, columns in _CLOCKS.items():
            older = [f"{name} = {name} - interval '{interval}'" for name in columns]
            older = [text for text, name in zip(older, columns, strict=True) if name not in but]
            swept = ["swept_at = NULL"] if table.startswith("orders_") else []
            column = "id" if table == "orders_order" else "order_id"
            where = f"WHERE {column} = ANY(%s)" if swept else ""
            cursor.execute(
                f"UPDATE {table} SET {', '.join(older + swept)} {where}",  # noqa: S608 - no input
                [world.orders] if swept else [],
            )


def _on(world: "World", line: list[OutboxMessage], which: int, *, overtake: bool) -> Job:
    message = _chosen(line, which)
    if message is None:
        return lambda: "nothing to do"
    return lambda: world.messages.handle(message, overtake=overtake)


def _chosen(line: list[OutboxMessage], which: int) -> OutboxMessage | None:
    return line[which % len(line)] if line else None


ACTIONS = {
    action.__name__: action
    for action in (
        work,
        work_again,
        work_overtaking,
        work_dies,
        expire,
        resume,
        lapse,
        remind,
        a_day_goes_by,
    )
}

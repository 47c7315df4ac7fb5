"""What really happened, told by the database, the printer's folder and the broker.

None of it is written by the code under test, except the effects themselves: a trigger notes every
message that entered the outbox, and the workers' Celery app notes every message handled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from kombu import Connection

_PATIENCE = 30
QUEUES = ("toy.gifts", "toy.cards", "toy.gifts.dead", "toy.cards.dead")

_SET_UP = """
CREATE TABLE IF NOT EXISTS crash_enqueued (message_id uuid PRIMARY KEY, attempt int);
CREATE TABLE IF NOT EXISTS crash_handled (
    message_id uuid, state text, pid int, at timestamptz DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS crash_handled_id ON crash_handled (message_id);
CREATE OR REPLACE FUNCTION crash_note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO crash_enqueued VALUES (NEW.id, NEW.attempt); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER crash_note AFTER INSERT ON tasks_outboxmessage
    FOR EACH ROW EXECUTE FUNCTION crash_note();
TRUNCATE crash_enqueued, crash_handled, tasks_outboxmessage, tasks_deadletter,
    toy_app_gift, toy_app_member RESTART IDENTITY CASCADE;
"""

# A message counts as handled when its task came to an end that settles it; a retry settles it too,
# by a successor that is enqueued and counted like any other message.
_FACTS = """
SELECT
  (SELECT count(*) FROM toy_app_gift),
  (SELECT count(*) FROM toy_app_gift WHERE status = 'printed'),
  (SELECT coalesce(sum(points), 0) FROM toy_app_member)
    - (SELECT coalesce(sum(points), 0) FROM toy_app_gift WHERE status <> 'owed'),
  (SELECT count(*) FROM crash_enqueued),
  (SELECT count(*) FROM crash_enqueued e WHERE NOT EXISTS (
     SELECT FROM crash_handled h
      WHERE h.message_id = e.message_id AND h.state IN ('SUCCESS', 'RETRY'))),
  (SELECT count(*) FROM crash_handled)
    - (SELECT count(DISTINCT message_id) FROM crash_handled),
  (SELECT count(*) FROM tasks_outboxmessage),
  (SELECT count(*) FROM tasks_deadletter)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """``points_too_many``: what members have above what was granted to them; a gift granted twice
    shows here, and one that was lost shows as a negative number. ``handled_again`` is no fault."""

    gifts: int
    printed: int
    points_too_many: int
    messages: int
    unhandled: int
    handled_again: int
    in_outbox: int
    dead_letters: int
    cards: int
    in_queues: int

    def done(self, gifts: int) -> bool:
        """Nothing is on its way any more."""
        return self.printed == gifts and not (self.unhandled or self.in_outbox or self.in_queues)

    def broken(self, gifts: int) -> list[str]:
        """Each promise that was not kept, in words."""
        wrong = {
            "gifts that were accepted are gone": gifts - self.gifts,
            "effects are missing": gifts - self.printed,
            "points were granted twice or never": self.points_too_many,
            "cards were printed twice or never": self.cards - gifts,
            "messages were never handled": self.unhandled,
            "messages are left in the outbox": self.in_outbox,
            "messages are left in the broker": self.in_queues,
            "messages became dead letters": self.dead_letters,
        }
        return [f"{count} {what}" for what, count in wrong.items() if count]


class Witness:
    """Looks over connections of its own; ``close`` them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._database = psycopg2.connect(environ["DATABASE_URL"], connect_timeout=_PATIENCE)
        self._database.autocommit = True
        self._broker = Connection(environ["BROKER_URL"], connect_timeout=_PATIENCE)
        self._cards = Path(environ["TOY_PRINTER_DIR"])

    def close(self) -> None:
        self._database.close()
        self._broker.release()

    def set_up(self) -> None:
        """Begin with nothing: tables, queues and cards of an earlier run are emptied."""
        self.execute(_SET_UP)
        for card in self._cards.iterdir():
            card.unlink()
        for queue in QUEUES:
            self._channel().queue_purge(queue)

    def facts(self) -> Facts:
        (row,) = self.execute(_FACTS)
        gifts, printed, too_many, messages, unhandled, again, in_outbox, dead = map(int, row)
        return Facts(
            gifts=gifts,
            printed=printed,
            points_too_many=too_many,
            messages=messages,
            unhandled=unhandled,
            handled_again=again,
            in_outbox=in_outbox,
            dead_letters=dead,
            cards=len(list(self._cards.iterdir())),
            in_queues=sum(map(self._waiting_in, QUEUES)),
        )

    def handled(self) -> int:
        ((count,),) = self.execute("SELECT count(*) FROM crash_handled")
        return int(count)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        with self._database.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def _waiting_in(self, queue: str) -> int:
        """Ready messages only: what a worker holds shows as unhandled, or comes back when the
        worker has stopped."""
        return int(self._channel().queue_declare(queue, passive=True).message_count)

    def _channel(self) -> Any:
        # py-amqp's channel, which kombu's stubs do not know
        return self._broker.default_channel

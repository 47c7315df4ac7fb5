"""An event relay that stops for ever at one instant, where its killer finds it.

``python -m tests.crash.relay_stopped_at before|during|after ROUND``: before the flush of that
round, while it is under way, or after it and before the commit.
"""

import os
import sys
import threading
from collections.abc import Sequence

import django

django.setup()

from tasks.events.chosen import chosen_address, make_sink  # noqa: E402  # after setup
from tasks.events.relay import EventRelay  # noqa: E402
from tasks.events.sink import EventSink, Outcome, Outgoing  # noqa: E402

BATCH = 10


class StoppingSink:
    def __init__(self, sink: EventSink, instant: str, in_round: int) -> None:
        self._sink, self._instant, self._left = sink, instant, in_round

    def publish(self, batch: Sequence[Outgoing]) -> Outcome:
        self._left -= 1
        if self._left:
            return self._sink.publish(batch)
        if self._instant == "during":
            threading.Thread(target=self._sink.publish, args=[batch], daemon=True).start()
            self._stop_here()
        if self._instant == "before":
            self._stop_here()
        self._sink.publish(batch)
        return self._stop_here()

    def _stop_here(self) -> Outcome:
        os.write(1, b"here\n")
        threading.Event().wait(60)
        raise SystemExit("nobody came to kill this relay")

    def close(self) -> None:
        self._sink.close()


if __name__ == "__main__":
    sink = make_sink(chosen_address(), timeout_seconds=15)
    EventRelay(StoppingSink(sink, sys.argv[1], int(sys.argv[2])), batch_size=BATCH).run()

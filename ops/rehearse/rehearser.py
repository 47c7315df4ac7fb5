"""The part 'rehearser' of a stack: takes rehearsals that the staff asked for, one at a time.

``python -m ops.rehearse.rehearser`` in the environment of a running stack, until SIGTERM. A
rehearsal on its way is then declared failed; after ``kill -9`` the next rehearser does that.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import django

from ops.stack.errors import StackError
from ops.stack.layout import Layout
from ops.stack.parts import MARK
from ops.stack.running import RunningStack
from ops.stack.state import load


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    django.setup()
    # What asks whether a part is back would write addresses with passwords into the log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # After the set-up, and not in the processes of the crowd, which import this module too.
    from ops.rehearse.taking import Taker  # noqa: PLC0415

    try:
        Taker(own_stack()).run()
    except KeyboardInterrupt:
        return 0


def own_stack() -> RunningStack:
    """The stack that started this process; it may still be starting.

    Raises StackError when none did.
    """
    name = Path(os.environ.get(MARK, "")).name
    state = load(Layout.of(name)) if name else None
    if state is None:
        raise StackError("The rehearser is a part of a stack: './dev up' starts it.")
    return RunningStack(Layout.of(name), state, lambda _line: None)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

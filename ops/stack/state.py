"""What a stack remembers between commands, in one private file."""

import json
from dataclasses import asdict, dataclass, field

from ops.stack.errors import StackError
from ops.stack.layout import Layout, write_private


@dataclass(slots=True)
class State:
    """``usable`` is true from the end of a successful start until the stop."""

    ports: dict[str, int] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    usable: bool = False


def load(layout: Layout) -> State | None:
    """The remembered state, or None when there is none.

    Raises:
        StackError: the file is damaged.
    """
    try:
        return State(**json.loads(layout.state.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise StackError(
            f"{layout.state} is damaged. Delete {layout.folder} to begin with an empty stack."
        ) from None


def save(layout: Layout, state: State) -> None:
    write_private(layout.state, json.dumps(asdict(state), indent=1, sort_keys=True) + "\n")

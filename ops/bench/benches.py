"""``./dev bench NAME``."""

import sys
from collections.abc import Callable

from ops.bench import gate, locks, relay

BENCHES: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "gate": (gate.main, "a click and a poll of a flash sale against four plainer ways to answer"),
    "locks": (locks.main, "our locks against every peer, and a guarded task against an unguarded"),
    "relay": (relay.main, "the outbox's relay against publishing one by one; backlog and latency"),
}
USAGE_ERROR = 2


def main(argv: list[str]) -> int:
    """Run the named benchmark; its own exit code."""
    name, rest = (argv[0], argv[1:]) if argv else ("", [])
    if name in BENCHES:
        return BENCHES[name][0](rest)
    asked_for_help = name in ("", "-h", "--help")
    lines = [f"  ./dev bench {known:<7} {text}" for known, (_, text) in BENCHES.items()]
    usage = "\n".join(["Usage: ./dev bench NAME [arguments]", "", *lines])
    if asked_for_help:
        print(usage)
        return 0
    print(f"There is no benchmark '{name}'.\n\n{usage}", file=sys.stderr)
    return USAGE_ERROR

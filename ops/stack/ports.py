"""Free ports on the loopback interface: chosen once for a stack, then remembered."""

import secrets
import socket
from collections.abc import Callable, Iterable, Mapping

from ops.stack.errors import StackError

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections: while a server is
# being restarted, a client (even one that tries to reach that very server) could be given its port.
CANDIDATES = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that the remains of closed connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(
    names: Iterable[str],
    remembered: Mapping[str, int],
    free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """A port for each name: the remembered one unless somebody else took it.

    Raises:
        StackError: no free port was found.
    """
    chosen: dict[str, int] = {}
    for name in names:
        known = remembered.get(name)
        if known is not None and known not in chosen.values() and free(known):
            chosen[name] = known
        else:
            chosen[name] = _new({*chosen.values(), *remembered.values()}, free)
    return chosen


def _new(taken: set[int], free: Callable[[int], bool]) -> int:
    for _ in range(1_000):
        port = secrets.choice(CANDIDATES)
        if port not in taken and free(port):
            return port
    raise StackError(
        f"No free port was found between {CANDIDATES.start} and {CANDIDATES.stop} on {LOOPBACK}. "
        "Stop what holds them and start again."
    )

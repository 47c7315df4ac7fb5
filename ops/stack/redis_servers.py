"""Private Redis servers: independent lock nodes, the gate, and one cache that may forget."""

from pathlib import Path

from ops.stack.layout import Layout, write_private
from ops.stack.ports import LOOPBACK

# A lock node must refuse writes rather than drop a lease, and so must the gate: it may be lost, but
# not in parts. A cache is there to drop what is old.
KEPT_MEMORY = "maxmemory 64mb\nmaxmemory-policy noeviction\n"
CACHE_MEMORY = "maxmemory 64mb\nmaxmemory-policy allkeys-lru\n"


def configuration(port: int, folder: Path, password: str, memory: str) -> str:
    """redis.conf without persistence."""
    return f"""\
bind {LOOPBACK}
port {port}
protected-mode yes
requirepass {password}
dir {folder}
daemonize no
save ""
appendonly no
{memory}"""


def create_data(layout: Layout, part: str, port: int, password: str) -> None:
    folder = layout.data(part)
    folder.mkdir(mode=0o700, exist_ok=True)
    memory = CACHE_MEMORY if part == "redis-cache" else KEPT_MEMORY
    write_private(folder / "redis.conf", configuration(port, folder, password, memory))


def command(program: Path, layout: Layout, part: str) -> list[str]:
    return [str(program), str(layout.data(part) / "redis.conf")]

"""Which faults a schedule has: each family is dense in one kind, so short schedules find it."""

from dataclasses import dataclass

from tasks.locks.limits import CLOCK_ALLOWANCE_SECONDS

WITHIN_ALLOWANCE = CLOCK_ALLOWANCE_SECONDS * 0.99


@dataclass(frozen=True)
class Family:
    name: str
    skew: float = WITHIN_ALLOWANCE
    """Largest difference of two clients' wall clocks at the start, in seconds."""
    sizes: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 4, 5)
    """How many nodes there may be."""
    drift: bool = True
    """Clients' clocks run up to 0.9 % too fast or too slow."""
    paces: tuple[float, ...] = (0.001, 0.001, 0.001, 0.01, 0.05, 0.2)
    """Seconds that pass at a time."""
    retention: float = 3.5
    """Seconds that a counter is kept: longer than the quarantine, and than clocks may be ahead."""
    uneven: bool = False
    """Counters that differ at the start and lie ahead of all clocks: second round trips."""
    lag: bool = False
    """Some connections are much slower than others: stragglers."""
    pauses: float = 0.0
    """How often a whole lease's time passes at once."""
    breaks: float = 0.0
    """How often a connection breaks; what was under way may run later, or never."""
    duplicates: float = 0.0
    """How often a request runs a second time, later."""
    replays: float = 0.2
    """How soon it does."""
    restarts: float = 0.0
    """How often 1..N nodes restart empty or from an old snapshot, or are flushed."""
    outages: float = 0.0
    """How often a node refuses connections, or hangs, or comes back."""
    client_steps: float = 0.0
    """How often a client's wall clock jumps."""
    node_steps: float = 0.0
    """How often a node's clock jumps ahead."""
    early_expiry: float = 0.0
    """How often slots end before their time."""
    expiry_at_once: bool = False
    """On all nodes, not on some."""
    everybody_waits: bool = False
    """All clients stand in line; otherwise some do."""
    ages: float = 0.0
    """How often so much time passes that counters are forgotten."""

    @property
    def slots_keep_time(self) -> bool:
        """Nodes keep a slot for its TTL: then there is one holder at a time."""
        return not self.node_steps and not self.early_expiry

    @property
    def nothing_is_replayed(self) -> bool:
        return not (self.breaks or self.duplicates or self.restarts or self.outages)


FAMILIES = (
    Family("order and delay"),
    Family("stragglers", lag=True, pauses=0.01),
    Family("stragglers in line", lag=True, pauses=0.03, everybody_waits=True),
    Family("numbers that differ", uneven=True, pauses=0.01),
    Family("numbers that differ, stragglers", uneven=True, lag=True, pauses=0.03),
    Family("long pauses", uneven=True, pauses=0.06),
    Family("broken connections", uneven=True, breaks=0.05, pauses=0.02),
    Family("requests that run twice", uneven=True, duplicates=0.3, pauses=0.05),
    Family("twice, and slots that end early", uneven=True, duplicates=0.5, early_expiry=0.05),
    Family("lost memory", restarts=0.03, pauses=0.02),
    Family("lost memory and broken connections", restarts=0.02, breaks=0.03, uneven=True),
    Family("lost memory in line", restarts=0.05, pauses=0.02, everybody_waits=True),
    Family("nodes away and back", outages=0.05, pauses=0.02),
    Family(
        "clients' clocks jump",
        client_steps=0.1,
        pauses=0.05,
        skew=50.0,
        sizes=(1, 2, 3, 3, 5),
        retention=500.0,
    ),
    Family("nodes' clocks jump", node_steps=0.04, uneven=True, retention=100.0),
    Family("slots that end early", early_expiry=0.05, uneven=True),
    Family("all slots end early", early_expiry=0.08, expiry_at_once=True, sizes=(1, 2, 3, 3)),
    Family(
        "twice in the middle of a confirmation",
        sizes=(3,),
        uneven=True,
        duplicates=1.0,
        early_expiry=0.08,
        replays=0.3,
    ),
    Family("counters that end", ages=0.02, pauses=0.02),
)


def family(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)

"""Who takes part, with the exact versions of what is installed for them."""

from dataclasses import dataclass
from importlib import metadata

OWN = "soldonce"
GUARD = "soldonce guard"
FLOOR = "fan-out floor"
_HIREDIS = "hiredis==3.5.0"  # ours reads replies with it, so all others get it too


@dataclass(frozen=True, slots=True)
class Entrant:
    """``place``: module and class below ops.bench.contenders. ``requirements``: what goes into its
    own environment; none: it runs in this project's, where ``package`` is what it measures.
    ``database``: its node is PostgreSQL."""

    name: str
    place: str
    requirements: tuple[str, ...] = ()
    package: str = ""
    database: bool = False

    @property
    def version(self) -> str:
        """The package that is measured, with its version; empty for our own code."""
        if self.package:
            return f"{self.package}=={metadata.version(self.package)}"
        return self.requirements[0] if self.requirements else ""


ENTRANTS = {
    entrant.name: entrant
    for entrant in (
        Entrant(FLOOR, "floor:Floor"),
        Entrant(OWN, "ours:Backend"),
        Entrant(GUARD, "ours:Guard"),
        Entrant("pottery", "pottery:Pottery", ("pottery==3.0.1", "redis==8.1.0", _HIREDIS)),
        Entrant(
            "redlock-ng", "redlock_ng:RedlockNg", ("redlock-ng==2.0.4", "redis==5.3.1", _HIREDIS)
        ),
        Entrant(
            "redlock-ng async",
            "redlock_ng:RedlockNgAsync",
            ("redlock-ng==2.0.4", "redis==5.3.1", _HIREDIS),
        ),
        Entrant(
            "redlock-py", "redlock_py:RedlockPy", ("redlock-py==1.0.8", "redis==8.1.0", _HIREDIS)
        ),
        Entrant("redis-py Lock", "redis_py:RedisPyLock", package="redis"),
        Entrant(
            "python-redis-lock",
            "python_redis_lock:PythonRedisLock",
            ("python-redis-lock==4.0.1", "redis==8.1.0", _HIREDIS),
        ),
        Entrant(
            "PostgreSQL advisory",
            "postgresql:AdvisoryLock",
            package="psycopg2-binary",
            database=True,
        ),
    )
}

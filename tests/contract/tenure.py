"""What the schedules are checked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.locks.lease import Lease

if TYPE_CHECKING:
    from tests.contract.client import SimulatedClient


class Broken(AssertionError):
    """A promise of the protocol was broken."""


@dataclass(eq=False)
class Tenure:
    """One lease in the hands of one client. Moments are numbers of the world, in true order."""

    client: "SimulatedClient"
    lease: Lease
    began: int
    got: int
    over: bool = False
    """Released, or known to be lost: its holder does not work any more."""

    @property
    def believes(self) -> bool:
        """Its holder would say at this moment that it holds the lease."""
        return not self.over and self.lease.remaining(self.client.read_monotonic()) > 0


class Row:
    """The fenced row in the database: claimed once with the token, compared by each write."""

    def __init__(self) -> None:
        self.fence = 0
        self.claimed_by: Tenure | None = None

    def work(self, tenure: Tenure) -> None:
        token = tenure.lease.token
        if token > self.fence:
            # UPDATE … SET fence = token WHERE fence < token
            self.fence, self.claimed_by = token, tenure
        elif token == self.fence and self.claimed_by is not tenure:
            # UPDATE … WHERE fence = token: the row cannot tell the two apart.
            raise Broken("the fenced row took a write from somebody who had not claimed it")


def check_order(tenures: list[Tenure]) -> None:
    """Tokens are unique, and rise for leases that follow each other."""
    tokens = {tenure.lease.token for tenure in tenures}
    if len(tokens) != len(tenures):
        raise Broken("a token was given twice")
    newest = tenures[-1]
    for tenure in tenures[:-1]:
        if tenure.got < newest.began and tenure.lease.token > newest.lease.token:
            raise Broken("a later lease got no larger token")


def check_one_holder(tenures: list[Tenure]) -> None:
    if sum(tenure.believes for tenure in tenures) > 1:
        raise Broken("two holders at once")

"""What can go wrong in a task, as a closed tree: the class alone decides what happens next.

Contention (somebody else works on it), loss (we may no longer work on it) and fault (a node or a
remote party failed) are different classes, because they need different answers.
"""


class TaskError(Exception):
    """Root of the tree. Never raised itself."""


class Transient(TaskError):
    """It may work later. Retried with backoff until the policy's attempts are used up."""


class OutcomeUnknown(Transient):
    """A remote party may or may not have acted. Asked again with the same idempotency key."""


class Permanent(TaskError):
    """It will never work as it stands. Becomes a dead letter at once, for a person to look at."""


class LeaseBusy(TaskError):
    """Another holder has the lease. Comes back later; never counts as an attempt, never as done.

    ``retry_after`` is the holder's remaining time in seconds, as far as the nodes know it.
    """

    def __init__(self, key: str, retry_after: float = 0.0) -> None:
        # Its own arguments, not a sentence made of them: Celery pickles what a task raised.
        super().__init__(key, retry_after)
        self.key = key
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"The lease {self.key!r} is held by another worker."


class LeaseLost(TaskError):
    """The lease ended, or a newer holder has claimed the row: nothing more may be written."""


class QuorumUnavailable(TaskError):
    """Fewer than a majority of lock nodes answered: nobody can get the lease now."""


class BreakerOpen(TaskError):
    """The other side of ``name`` has failed again and again, so it is not called for now.

    Nothing was sent. Comes back after ``retry_after`` seconds; never counts as an attempt.
    """

    def __init__(self, name: str, retry_after: float) -> None:
        super().__init__(name, retry_after)
        self.name = name
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"The breaker {self.name!r} is open: the other side is given time to recover."

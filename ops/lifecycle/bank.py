"""A model of the bank: the contract of ``orders.gateways.payment`` without a network.

It keeps books and idempotency keys as the provider does, and misbehaves as it is told: one mood for
each call, in the order of the calls. It moves money once per key, and never answers what is not in
its books.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count

from orders.gateways.payment import (
    ActionRequired,
    Captured,
    CaptureRequest,
    Declined,
    GatewayCapture,
    GatewayRefund,
    NotFound,
    Refunded,
    RefundPending,
    RefundRefused,
    RefundRequest,
    Voided,
)
from tasks.errors import OutcomeUnknown, Permanent, Transient


class Mood(StrEnum):
    """What the bank makes of the next call. For a request that it knows, only silence counts."""

    YES = "yes"
    NO = "no"
    ACTION = "action"  # captures: wants the shopper; refunds: accepted, moves later
    SILENT_BEFORE = "silent_before"  # no answer, nothing was done
    SILENT_AFTER = "silent_after"  # no answer, it was done
    LATE = "late"  # no answer; it is done once ``catch_up`` is called
    BUSY = "busy"  # refused for now, nothing was done


@dataclass
class Intent:
    request: CaptureRequest
    reference: str
    status: str  # succeeded, declined, action, cancelled
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class BankRefund:
    request: RefundRequest
    reference: str
    status: str  # succeeded, pending, failed
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


_numbers = count(1)


def _nothing(_: str) -> None:
    return


class ModelBank:
    """``pause`` is called before the bank has read a request and before its answer is out: there
    others may go on. Safe for threads."""

    def __init__(self, pause: Callable[[str], None] = _nothing) -> None:
        self.intents: list[Intent] = []
        self.refunded: list[BankRefund] = []
        self.moods: list[Mood] = []
        # Whether something happened here that nobody who asks in time could know of.
        self.acted_alone = False
        self._pause = pause
        self._keys: dict[str, Intent] = {}
        self._refund_keys: dict[str, BankRefund | RefundRefused] = {}
        self._late: list[CaptureRequest | RefundRequest] = []
        self._writing = threading.Lock()

    # -- what the world does to it ------------------------------------------------------

    def catch_up(self) -> None:
        """Requests that were under way arrive."""
        late, self._late = self._late, []
        self.acted_alone |= bool(late)
        for request in late:
            if isinstance(request, CaptureRequest):
                self._open_intent(request, Mood.YES)
            else:
                self._open_refund(request, Mood.YES)

    def settle_pending(self, *, succeed: bool) -> None:
        """Refunds that were accepted move, or come back."""
        for refund in self.refunded:
            if refund.status == "pending":
                refund.status = "succeeded" if succeed else "failed"

    def shopper_answers(self, *, agrees: bool) -> int:
        """The shopper is at the bank's page for everything that waits for them; how many."""
        waiting = [intent for intent in self.intents if intent.status == "action"]
        for intent in waiting:
            intent.status = "succeeded" if agrees else "declined"
        return len(waiting)

    def forget_keys(self) -> None:
        """A day went by: what comes again under an old key is a new request."""
        self._keys.clear()
        self._refund_keys.clear()

    # -- the gateway's contract ---------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Captured | Declined | ActionRequired:
        mood = self._read(request)
        intent = self._open_intent(request, mood)
        self._answer(mood)
        answer = _stands(intent)
        if isinstance(answer, Voided):
            return Declined(answer.reference, "canceled")
        return answer

    def look_up(
        self, *, payment_id: int, reference: str, since: datetime
    ) -> Captured | Declined | ActionRequired | Voided | NotFound:
        self._books(self._mood())
        ours = [
            intent
            for intent in self.intents
            if (intent.reference == reference if reference else _pays(intent, payment_id, since))
        ]
        moved_first = sorted(ours, key=lambda intent: intent.status != "succeeded")
        return _stands(moved_first[0]) if moved_first else NotFound()

    def void(self, reference: str, idempotency_key: str) -> Voided | Captured | Declined:
        mood = self._mood()
        self._pause("void arrives")
        if mood in (Mood.SILENT_BEFORE, Mood.LATE):
            raise OutcomeUnknown("The bank did not answer.")
        if mood is Mood.BUSY:
            raise Transient("The bank is busy.")
        intent = next(one for one in self.intents if one.reference == reference)
        with self._writing:
            if intent.status == "action":
                intent.status = "cancelled"
        self._answer(mood)
        answer = _stands(intent)
        assert not isinstance(answer, ActionRequired)  # noqa: S101 - it was cancelled above
        return answer

    def refund(self, request: RefundRequest) -> Refunded | RefundPending | RefundRefused:
        mood = self._read(request)
        refund = self._open_refund(request, mood)
        self._answer(mood)
        return _stands_refund(refund)

    def look_up_refund(
        self, *, refund_id: int, reference: str, payment_reference: str
    ) -> Refunded | RefundPending | RefundRefused | NotFound:
        self._books(self._mood())
        for refund in self.refunded:
            request = refund.request
            by_id = (request.refund_id, request.payment_reference) == (refund_id, payment_reference)
            if refund.reference == reference if reference else by_id:
                return _stands_refund(refund)
        return NotFound()

    def captures(self, *, since: datetime | None = None) -> Iterator[GatewayCapture]:
        for intent in reversed(self.intents):
            if intent.status == "succeeded" and (since is None or intent.at >= since):
                asked = intent.request
                yield GatewayCapture(
                    reference=intent.reference,
                    order_number=asked.order_number,
                    payment_id=asked.payment_id,
                    idempotency_key=asked.idempotency_key,
                    amount_cents=asked.amount_cents,
                    currency=asked.currency,
                    captured_at=intent.at,
                )

    def refunds(self, *, since: datetime | None = None) -> Iterator[GatewayRefund]:
        for refund in reversed(self.refunded):
            if refund.status != "failed" and (since is None or refund.at >= since):
                asked = refund.request
                yield GatewayRefund(
                    reference=refund.reference,
                    payment_reference=asked.payment_reference,
                    order_number=asked.order_number,
                    payment_id=asked.payment_id,
                    refund_id=asked.refund_id,
                    idempotency_key=asked.idempotency_key,
                    amount_cents=asked.amount_cents,
                    currency=asked.currency,
                    status=refund.status,
                    refunded_at=refund.at,
                )

    # -- its inside ---------------------------------------------------------------------

    def _mood(self) -> Mood:
        with self._writing:
            return self.moods.pop(0) if self.moods else Mood.YES

    def _read(self, request: CaptureRequest | RefundRequest) -> Mood:
        """The call arrives, or does not; what mood it meets."""
        mood = self._mood()
        self._pause("request arrives")
        if mood is Mood.BUSY:
            raise Transient("The bank is busy.")
        if mood is Mood.SILENT_BEFORE:
            raise OutcomeUnknown("The bank did not answer.")
        if mood is Mood.LATE:
            self._late.append(request)
            raise OutcomeUnknown("The bank did not answer.")
        return mood

    def _answer(self, mood: Mood) -> None:
        self._pause("answer leaves")
        if mood is Mood.SILENT_AFTER:
            raise OutcomeUnknown("The bank did not answer.")

    def _books(self, mood: Mood) -> None:
        self._pause("books are read")
        if mood not in (Mood.YES, Mood.NO, Mood.ACTION):
            raise Transient("The books cannot be read now.")

    def _open_intent(self, request: CaptureRequest, mood: Mood) -> Intent:
        with self._writing:
            known = self._keys.get(request.idempotency_key)
            if known is not None:
                if known.request != request:
                    raise Permanent("This key was used before with other parameters.")
                return known
            status = {Mood.NO: "declined", Mood.ACTION: "action"}.get(mood, "succeeded")
            intent = Intent(request, f"pi_{next(_numbers)}", status)
            self.intents.append(intent)
            self._keys[request.idempotency_key] = intent
            return intent

    def _open_refund(self, request: RefundRequest, mood: Mood) -> BankRefund | RefundRefused:
        with self._writing:
            known = self._refund_keys.get(request.idempotency_key)
            if known is not None:
                if isinstance(known, BankRefund) and known.request != request:
                    raise Permanent("This key was used before with other parameters.")
                return known
            answer = self._decide_refund(request, mood)
            if isinstance(answer, BankRefund):
                self.refunded.append(answer)
            self._refund_keys[request.idempotency_key] = answer
            return answer

    def _decide_refund(self, request: RefundRequest, mood: Mood) -> BankRefund | RefundRefused:
        paid = [one for one in self.intents if one.reference == request.payment_reference]
        taken = sum(one.request.amount_cents for one in paid if one.status == "succeeded")
        back = sum(
            one.request.amount_cents
            for one in self.refunded
            if one.request.payment_reference == request.payment_reference and one.status != "failed"
        )
        if back + request.amount_cents > taken:
            return RefundRefused("charge_already_refunded", "More than was left of it.")
        if mood is Mood.NO:
            return RefundRefused("insufficient_funds", "The account does not cover it.")
        status = "pending" if mood is Mood.ACTION else "succeeded"
        return BankRefund(request, f"re_{next(_numbers)}", status)


def _pays(intent: Intent, payment_id: int, since: datetime) -> bool:
    return intent.request.payment_id == payment_id and intent.at >= since


def _stands(intent: Intent) -> Captured | Declined | ActionRequired | Voided:
    asked = intent.request
    match intent.status:
        case "succeeded":
            return Captured(intent.reference, asked.amount_cents, asked.currency, "visa", "4242")
        case "declined":
            return Declined(intent.reference, "card_declined")
        case "action":
            return ActionRequired(intent.reference, f"https://bank.example/{intent.reference}")
        case _:
            return Voided(intent.reference)


def _stands_refund(
    refund: BankRefund | RefundRefused,
) -> Refunded | RefundPending | RefundRefused:
    if isinstance(refund, RefundRefused):
        return refund
    match refund.status:
        case "succeeded":
            return Refunded(refund.reference, refund.request.amount_cents)
        case "pending":
            return RefundPending(refund.reference)
        case _:
            return RefundRefused("failed", "The bank sent it back.", refund.reference)


class Ledgers(ModelBank):
    """The books of several banks as those of one, for the audit."""

    def __init__(self, banks: Sequence[ModelBank]) -> None:
        super().__init__()
        self.intents = [intent for bank in banks for intent in bank.intents]
        self.refunded = [refund for bank in banks for refund in bank.refunded]

"""One person of the crowd: the door, the click, the line, the ticket, the order."""

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

import aiohttp
from lxml import html

from ops.demo.browser import Page
from ops.demo.scenarios import DECLINED, GOOD
from ops.rehearse.challenge import solve
from ops.rehearse.plan import Intent, Plan
from ops.rehearse.shop_door import Answer, Door, NoAnswer, facts_of


class Ending(StrEnum):
    """The final answer that a person was given; NONE is what must not happen."""

    PAID = "paid"
    DECLINED = "card declined"
    ABANDONED = "had a ticket and walked away"
    GAVE_BACK = "gave the unit back"
    SOLD_OUT = "sold out"
    LIMIT_REACHED = "limit reached"
    TOO_LATE = "too late"
    REFUSED = "refused"
    NONE = "no final answer"


@dataclass(slots=True)
class Visit:
    """What one person was told. ``pause_seconds``: the longest time for which they were told that
    the sale is paused. ``overdue``: tickets whose time was over before this person had paid."""

    plan: Plan
    ending: Ending = Ending.NONE
    orders: set[str] = field(default_factory=set)
    told: str = ""
    polls: int = 0
    overdue: int = 0
    troubles: int = 0
    pause_seconds: float = 0.0
    slowest_seconds: float = 0.0
    seconds: float = 0.0


_FINAL = {
    "sold_out": Ending.SOLD_OUT,
    "limit_reached": Ending.LIMIT_REACHED,
    "too_late": Ending.TOO_LATE,
}
_RATE_SECONDS = 10.5
_LOOK_SECONDS = 1.0
_LOST_TURN_SECONDS = 1.0


class Person:
    """``path``: of the item's door, below the shop's address."""

    def __init__(self, http: aiohttp.ClientSession, path: str, plan: Plan, deadline: float) -> None:
        self._door = Door(http, deadline)
        self._path = path
        self._plan = plan
        self._deadline = deadline
        self._entry = ""
        self._solution = ""
        self._paused_since: float | None = None
        self.visit = Visit(plan)

    async def run(self) -> Visit:
        """Never raises what the shop did wrong: that is an ending."""
        began = time.monotonic()
        try:
            await self._come()
            await self._until_ticket_or_no()
        except NoAnswer as error:
            self.visit.told = str(error)
        self.visit.troubles = self._door.troubles
        self.visit.slowest_seconds = self._door.slowest_seconds
        self.visit.seconds = time.monotonic() - began
        return self.visit

    async def _come(self) -> None:
        door = facts_of(await self._door.get(self._path, as_json=True))
        self._entry = str(door["entry"])
        if door["challenge"]:
            # As in a browser, beside everything else.
            self._solution = await asyncio.to_thread(solve, **door["challenge"])
        if self._plan.intent is Intent.FORGER:
            self._entry = f"{self._entry[:-4]}AAAA"
        # The shop's clock counts, not ours.
        starts_in_seconds = max(0, door["starts_ms"] - door["now_ms"]) / 1_000
        await asyncio.sleep(starts_in_seconds + self._plan.after_seconds)

    async def _until_ticket_or_no(self) -> None:
        said = await self._click()
        while time.monotonic() < self._deadline:
            self._note_pause(said["said"])
            self.visit.told = f"{said['said']}: {said['headline']}"
            if said["said"] in _FINAL:
                self.visit.ending = _FINAL[said["said"]]
                return
            if said["said"] == "ticket":
                if await self._use_ticket(said["ticket"]):
                    return
                said = await self._click()
            elif said["said"] == "refused" and said["why"] != "rate":
                self.visit.ending = Ending.REFUSED
                return
            else:
                said = await self._wait_and_ask(said)

    async def _wait_and_ask(self, said: dict[str, object]) -> dict[str, object]:
        word = said["said"]
        if word in ("in_line", "paused"):
            await self._sleep(float(str(said["poll_after_ms"])) / 1_000)
            self.visit.polls += 1
            return facts_of(await self._door.get(f"{self._path}line/", as_json=True))
        if word == "too_early":
            await self._sleep(float(str(said["starts_in_ms"])) / 1_000)
        elif word == "refused":
            await self._sleep(_RATE_SECONDS)
        else:  # not_in_line: the turn was used up
            await self._sleep(_LOST_TURN_SECONDS)
        return await self._click()

    async def _click(self) -> dict[str, object]:
        """All hits at once; what the last of them was told."""
        path = f"{self._path}enter/"
        fields = {"entry": self._entry, "solution": self._solution}
        hits = (self._door.post(path, fields, as_json=True) for _ in range(self._plan.clicks))
        return [facts_of(answer) for answer in await asyncio.gather(*hits)][-1]

    # -- with a ticket -------------------------------------------------------------

    async def _use_ticket(self, path: object) -> bool:
        """False when it came to nothing, and the person must ask again."""
        if self._plan.intent is Intent.ABANDONS:
            self.visit.ending = Ending.ABANDONED
            return True
        page = await self._door.get(str(path))
        if page.status_code == 303:  # back to the line
            return False
        form = _form(page, "checkout")
        if form is None:
            return self._start_over()
        if self._plan.intent is Intent.GIVES_BACK:
            await self._door.post(f"{self._path}give-back/", _form(page, "give-back") or {})
            self.visit.ending = Ending.GAVE_BACK
            return True
        return await self._pay(str(path), form)

    async def _pay(self, path: str, form: dict[str, str]) -> bool:
        fields = form | _details(self._plan)
        hits = (self._door.post(path, fields) for _ in range(self._plan.clicks))
        answers = await asyncio.gather(*hits)
        places = [answer.headers.get("location", "") for answer in answers]
        self.visit.orders |= {place for place in places if "/orders/" in place}
        if self.visit.orders:
            await self._follow(sorted(self.visit.orders)[0])
            return True
        alerts = _texts(answers[-1], "//*[@role='alert' or @role='status']")
        self.visit.told = " ".join(alerts)[:300]
        if answers[-1].status_code == 409 and _form(answers[-1], "checkout"):
            # Somebody of the same household has one: the next in line shall have this.
            await self._door.post(f"{self._path}give-back/", {"entry": self._entry})
            self.visit.ending = Ending.LIMIT_REACHED
            return True
        if answers[-1].status_code == 303:
            return False
        if _texts(answers[-1], "//*[@id='answer']"):
            return self._start_over()
        raise NoAnswer(f"the ticket answered {answers[-1].status_code}: {self.visit.told}")

    def _start_over(self) -> bool:
        """The time was over, and the unit went to the next in line: back to the door."""
        self.visit.overdue += 1
        return False

    async def _follow(self, order: str) -> None:
        """As the page does it: looks every second whether something has changed."""
        page = _page(await self._door.get(order))
        while page.one("//*[@id='progress'][@data-pending='true']") is not None:
            if time.monotonic() >= self._deadline:
                return
            await self._sleep(_LOOK_SECONDS)
            (progress,) = page.document.xpath("//*[@id='progress']")
            seen = progress.get("data-state")
            answer = await self._door.get(f"{order}progress/?state={seen}")
            if answer.status_code != HTTPStatus.NO_CONTENT:
                page = _page(await self._door.get(order))
        self.visit.told = " ".join(page.texts("//*[@id='order-headline']"))
        if page.one("//*[@id='progress']") is not None:
            mailed = page.one("//*[@data-step='mail'][@data-step-state='done']")
            self.visit.ending = Ending.DECLINED if mailed is None else Ending.PAID

    # -- time ------------------------------------------------------------------

    async def _sleep(self, seconds: float) -> None:
        left = self._deadline - time.monotonic()
        await asyncio.sleep(max(0.05, min(seconds, left)))

    def _note_pause(self, said: object) -> None:
        now = time.monotonic()
        if said == "paused":
            self._paused_since = self._paused_since or now
            self.visit.pause_seconds = max(self.visit.pause_seconds, now - self._paused_since)
        elif self._paused_since is not None:
            self.visit.pause_seconds = max(self.visit.pause_seconds, now - self._paused_since)
            self._paused_since = None


def _details(plan: Plan) -> dict[str, str]:
    home = f"house{-plan.home}" if plan.home < 0 else f"person{plan.home}"
    return {
        "email": f"{home}+{plan.number}@example.com",
        "name": f"Person Number {plan.number}",
        "line1": f"{abs(plan.home)} {'Quay' if plan.home < 0 else 'Harbour'} Street",
        "line2": "",
        "postcode": f"{10_000 + abs(plan.home) % 80_000}",
        "city": "Bremen",
        "country": "DE",
        "card_number": DECLINED if plan.intent is Intent.DECLINED else GOOD,
        "card_expiry": "12/39",
        "card_cvc": "123",
    }


def _page(answer: Answer) -> Page:
    # A redirect has no text, which no parser likes.
    document = html.fromstring(answer.text or "<p></p>")
    return Page(answer.path, answer.status_code, document)


def _form(answer: Answer, name: str) -> dict[str, str] | None:
    """The hidden fields of a form; None when the page does not have it."""
    page = _page(answer)
    if page.one(f"//form[@id='{name}']") is None:
        return None
    hidden = page.document.xpath(f"//form[@id='{name}']//input[@type='hidden'][@name]")
    return {str(field.get("name")): str(field.get("value") or "") for field in hidden}


def _texts(answer: Answer, xpath: str) -> list[str]:
    return _page(answer).texts(xpath)

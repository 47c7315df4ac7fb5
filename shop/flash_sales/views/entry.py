"""The door, the click and the line. A click that gets nothing costs one call of the gate.

What is sent is proved by the signed token in the form, which another site cannot know: that is what
a CSRF token is for, and it needs no session. Whoever asks for JSON gets the same facts as JSON.
"""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from shop.accounts.client import client_of
from shop.flash_sales.arriving import arrive, carry_over, remember
from shop.flash_sales.challenge import Challenge, challenge_of, require_solution
from shop.flash_sales.entry import answer_click, answer_poll, refuse
from shop.flash_sales.models import SaleItem
from shop.flash_sales.replies import Reply, Said
from shop.flash_sales.shown import ShownSale
from shop.flash_sales.tokens import TokenRefused, Why
from shop.flash_sales.views.drawing import draw, find_item, json_answer, personal, wants_json
from shop.flash_sales.views.page import phase_of
from shop.flash_sales.visitor import (
    PERSON_COOKIE,
    Visitor,
    remember_person,
    remember_place,
    who_posts,
    who_reads,
)
from shop.flash_sales.words import words_of
from shop.http import SeeOther

# The page is drawn once; these stand where each person's own token and task go.
_ENTRY_GOES_HERE = "entry-goes-here"
_TASK_GOES_HERE = "task-goes-here"
_WAITING = (Said.IN_LINE, Said.PAUSED)


@require_safe
def door(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """A person's own page, with the button. It can be opened long before the start."""
    shown, item = find_item(slug, item_id)
    arrival = arrive(request, item)
    token, task = arrival.token, _task(shown, arrival.token)
    response: HttpResponse
    if wants_json(request):
        facts = {"entry": token, "starts_ms": shown.starts_ms}
        response = json_answer({**facts, "challenge": asdict(task) if task else None})
    else:
        page = shown.drawn(f"door {item.pk}", lambda: draw_door(shown, item, _ENTRY_GOES_HERE))
        page = page.replace(_ENTRY_GOES_HERE.encode(), token.encode())
        if task:
            page = page.replace(_TASK_GOES_HERE.encode(), str(task).encode())
        response = HttpResponse(page)
    remember(arrival, request, response, item)
    return personal(response)


@csrf_exempt  # the signed token of the form is the proof, see above
@require_POST
def enter(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    shown, item = find_item(slug, item_id)
    address = client_of(request)
    try:
        visitor = who_posts(request, item)
        require_solution(shown.sale, visitor)
    except TokenRefused as error:
        return _refusal(request, shown, item, refuse(item, error, address=address))
    reply = answer_click(shown.sale, item, visitor.person, visitor.place, address=address)
    return _answer(request, shown, item, visitor, reply)


@require_safe
def line(request: HttpRequest, slug: str, item_id: int) -> HttpResponse:
    """Where a person stands. Survives a reload, and is the same in a second tab."""
    shown, item = find_item(slug, item_id)
    try:
        visitor = who_reads(request, item)
    except TokenRefused as error:
        return _refusal(request, shown, item, refuse(item, error, address=client_of(request)))
    if visitor is None:
        return _refusal(request, shown, item, Reply(Said.NOT_IN_LINE))
    # A poll reads no session: it is a page for people that sees who has signed in.
    arrival = None if wants_json(request) else carry_over(request, item, visitor)
    if arrival is not None:
        again = personal(_see(shown, item, "line"))
        remember(arrival, request, again, item)
        return again
    reply = answer_poll(shown.sale, item, visitor.person, visitor.place)
    return _answer(request, shown, item, visitor, reply)


def _answer(
    request: HttpRequest, shown: ShownSale, item: SaleItem, visitor: Visitor, reply: Reply
) -> HttpResponse:
    response: HttpResponse
    here = request.method != "POST"
    if wants_json(request):
        response = json_answer(_facts(shown, item, reply), _status(reply))
    elif reply.said == Said.TICKET:
        response = _see(shown, item, "ticket")
    elif reply.said in _WAITING:
        response = _line_page(shown, item, visitor, reply) if here else _see(shown, item, "line")
    else:
        response = _answer_page(shown, item, reply)
    # Whoever reads has shown the cookie: the same place need not be signed again.
    if not here or reply.place != visitor.place:
        remember_place(response, item, visitor.person, reply.place)
    if not here and request.COOKIES.get(PERSON_COOKIE) != visitor.token:
        remember_person(response, item, visitor.token)
    return personal(response)


def _refusal(request: HttpRequest, shown: ShownSale, item: SaleItem, reply: Reply) -> HttpResponse:
    if wants_json(request):
        return personal(json_answer(_facts(shown, item, reply), _status(reply)))
    return personal(_answer_page(shown, item, reply))


def _facts(shown: ShownSale, item: SaleItem, reply: Reply) -> dict[str, Any]:
    words = words_of(reply, limit_per_person=shown.sale.limit_per_person)
    return {
        "said": reply.said,
        "why": reply.why,
        "headline": words.headline,
        "text": words.text,
        "position": reply.position,
        "units_left": reply.units_left,
        "held": reply.held,
        "estimate_seconds": reply.estimate_seconds,
        "poll_after_ms": reply.poll_after_ms,
        "starts_in_ms": reply.starts_in_ms,
        "ticket": _path(shown, item, "ticket") if reply.said == Said.TICKET else None,
    }


def _line_page(shown: ShownSale, item: SaleItem, visitor: Visitor, reply: Reply) -> HttpResponse:
    page = draw(
        "line.html",
        shown,
        item=item,
        reply=reply,
        token=visitor.token,
        # Who was told that the sale is paused clicks again when it goes on.
        task="" if reply.place.seq else _task(shown, visitor.token),
        words=words_of(reply, limit_per_person=shown.sale.limit_per_person),
        look_again_seconds=max(1, -(-reply.poll_after_ms // 1_000)),
    )
    return HttpResponse(page)


def _answer_page(shown: ShownSale, item: SaleItem, reply: Reply) -> HttpResponse:
    """One drawing for all who get this answer in this second."""
    words = words_of(reply, limit_per_person=shown.sale.limit_per_person)
    page = shown.drawn(
        f"answer {item.pk} {words.text}",
        lambda: draw("answer.html", shown, item=item, words=words, said=reply.said),
    )
    return HttpResponse(page, status=_status(reply))


def draw_door(shown: ShownSale, item: SaleItem, token: str, **more: Any) -> str:
    """``more``: what only a preview says."""
    facts = {
        "item": item,
        "offer": shown.offers.get(item.sku),
        "phase": phase_of(shown),
        "token": token,
        "enter_url": _path(shown, item, "enter"),
        "task": _TASK_GOES_HERE if shown.sale.challenge_work else "",
    }
    return draw("door.html", shown, **{**facts, **more})


def _task(shown: ShownSale, token: str) -> Challenge | None:
    """None when the sale has no challenge."""
    work = shown.sale.challenge_work
    return challenge_of(token, work) if work else None


def _status(reply: Reply) -> int:
    if reply.said != Said.REFUSED:
        return 200
    return 429 if reply.why == Why.RATE else 403


def _see(shown: ShownSale, item: SaleItem, name: str) -> HttpResponse:
    return SeeOther(_path(shown, item, name))


def _path(shown: ShownSale, item: SaleItem, name: str) -> str:
    return reverse(f"flash_sales:{name}", args=[shown.sale.slug, item.pk])

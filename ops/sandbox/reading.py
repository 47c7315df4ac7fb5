"""GET: one object, or a page of a list."""

from ops.sandbox.answers import Answer, invalid, missing
from ops.sandbox.expansion import expanded
from ops.sandbox.params import Params, Reader
from ops.sandbox.store import Store

_LONGEST_PAGE = 100
_END_OF_TIME = 2**53
_LIST = "data."


def retrieve(store: Store, kind: str, object_id: str, params: Params) -> Answer:
    reader = Reader(params)
    reader.ignore("client_secret")
    paths = tuple(reader.texts("expand").values())
    reader.done()
    body = store.get(kind, object_id)
    if body is None:
        raise missing(kind, object_id[:80], param="id", status=404)
    return Answer(200, expanded(store, body, paths))


def list_page(store: Store, kind: str, url: str, params: Params) -> Answer:
    """Newest first, ``limit`` 1 to 100 (default 10), from after the object ``starting_after``."""
    created = _created(params)
    reader = Reader({name: value for name, value in params.items() if name != "created"})
    limit = reader.integer("limit", 10)
    if limit > _LONGEST_PAGE:
        raise invalid(f"limit must be at most {_LONGEST_PAGE}.", param="limit")
    after = reader.text("starting_after", "") or None
    if after is not None and store.get(kind, after) is None:
        raise missing(kind, after[:80], param="starting_after")
    intent = reader.text("payment_intent", "") or None if kind != "payment_intent" else None
    paths = reader.texts("expand").values()
    reader.done()
    # One more than asked for tells whether there is another page.
    found = store.page(kind, limit=limit + 1, after=after, payment_intent=intent, created=created)
    opened = tuple(_inside(path) for path in paths)
    data = [expanded(store, body, opened) for body in found[:limit]]
    return Answer(200, {"object": "list", "url": url, "has_more": len(found) > limit, "data": data})


def _inside(path: str) -> str:
    if not path.startswith(_LIST):
        raise invalid(
            f"This property cannot be expanded ({path[:80]}): paths in a list begin with data.",
            param="expand",
        )
    return path.removeprefix(_LIST)


def _created(params: Params) -> tuple[int, int]:
    """``created=N`` or ``created[gt|gte|lt|lte]=N``, seconds since 1970, as (first, last)."""
    bounds = params.get("created", {})
    if isinstance(bounds, str):
        bounds = {"gte": bounds, "lte": bounds}
    reader = Reader(bounds)
    first = reader.integer("gte", 1)
    last = reader.integer("lte", _END_OF_TIME) if "lte" in bounds else _END_OF_TIME
    if "gt" in bounds:
        first = max(first, reader.integer("gt") + 1)
    if "lt" in bounds:
        last = min(last, reader.integer("lt") - 1)
    reader.done()
    return first, last

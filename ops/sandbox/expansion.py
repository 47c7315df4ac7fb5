"""The ``expand`` parameter: an id in an object becomes the object itself."""

from ops.sandbox.answers import invalid
from ops.sandbox.objects import ApiObject
from ops.sandbox.store import Store

_KIND_OF_FIELD = {
    "latest_charge": "charge",
    "charge": "charge",
    "payment_intent": "payment_intent",
}
_DEEPEST = 4


def expanded(store: Store, body: ApiObject, paths: tuple[str, ...]) -> ApiObject:
    """A copy of ``body`` with each dotted path opened up. Raises ApiError for a wrong path."""
    result = dict(body)
    for path in paths:
        names = path.split(".")
        if len(names) > _DEEPEST:
            raise invalid(f"You cannot expand more than {_DEEPEST} levels: {path[:80]}")
        _open(store, result, names)
    return result


def _open(store: Store, body: ApiObject, names: list[str]) -> None:
    name, *rest = names
    kind = _KIND_OF_FIELD.get(name)
    if kind is None or name not in body:
        raise invalid(f"This property cannot be expanded ({name[:80]}).", param="expand")
    if isinstance(body[name], str):
        body[name] = store.get(kind, body[name])
    if rest and body[name] is not None:
        _open(store, body[name], rest)

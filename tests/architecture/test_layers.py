"""What import-linter cannot see."""

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
APPLICATION = [
    path
    for package in ("config", "shop", "orders", "tasks")
    for path in (CHECKOUT / package).rglob("*.py")
    if "migrations" not in path.parts
]


def test_rows_are_locked_in_named_places_only() -> None:
    allowed = {"tasks/relay.py", "tasks/events/relay.py", "orders/locks.py"}

    lockers = {
        str(path.relative_to(CHECKOUT))
        for path in APPLICATION
        if "select_for_update(" in path.read_text()
    }

    assert lockers <= allowed


def test_nothing_runs_tasks_eagerly_or_sends_them_past_the_outbox() -> None:
    offenders = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path in APPLICATION
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"delay", "apply_async", "apply"}
    ]

    assert offenders == []


def test_the_shop_knows_orders_only_by_its_open_modules() -> None:
    """For annotations it may know the models as well: what it gets from selectors has a type."""
    allowed = (
        "orders.services",
        "orders.selectors",
        "orders.errors",
        "orders.locked",
        "orders.states",
        "orders.money",
        "orders.emails",
        "orders.languages",
        "orders.gateways.mailer",
        "orders.story",
    )
    offenders = []
    for path in APPLICATION:
        if path.relative_to(CHECKOUT).parts[0] != "shop":
            continue
        for node in _running_code(path):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orders"):
                modules = [node.module or ""]
                if node.module == "orders":
                    modules = [f"orders.{alias.name}" for alias in node.names]
                offenders += [
                    f"{path.name}: {module}" for module in modules if not module.startswith(allowed)
                ]

    assert offenders == []


def test_every_setting_is_explained_in_the_example_of_the_environment() -> None:
    explained = (CHECKOUT / ".env.example").read_text()
    settings = (CHECKOUT / "config" / "settings.py").read_text()

    names = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", settings))

    assert len(names) > 30
    assert {name for name in names if f"{name}=" not in explained} == set()


def _running_code(path: Path) -> list[ast.AST]:
    """All nodes but those below ``if TYPE_CHECKING``, which no program runs."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return list(ast.walk(tree))

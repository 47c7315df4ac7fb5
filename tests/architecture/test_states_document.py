"""docs/states.md is what the tables say, and names services that exist."""

from importlib import import_module

import pytest

from ops import docs_states


def test_the_page_is_what_the_tables_say() -> None:
    assert docs_states.PAGE.read_text(encoding="utf-8") == docs_states.page(), (
        "docs/states.md is not current: run './dev docs'."
    )


@pytest.mark.parametrize("service", sorted(docs_states.services()))
def test_a_service_that_the_page_names_exists(service: str) -> None:
    module, name = service.rsplit(".", 1)

    assert callable(getattr(import_module(module), name))


def test_a_transition_that_nobody_causes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {key: cause for key, cause in docs_states.CAUSES["order"].items() if key[0] != "paid"}
    monkeypatch.setitem(docs_states.CAUSES, "order", without)

    with pytest.raises(ValueError, match="paid → cancelled"):
        docs_states.page()

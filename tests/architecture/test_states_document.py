"""docs/states.md is what the tables say."""

import pytest

from ops import docs_states


def test_the_page_is_what_the_tables_say() -> None:
    assert docs_states.PAGE.read_text(encoding="utf-8") == docs_states.page(), (
        "docs/states.md is not current: run './dev docs'."
    )


def test_a_transition_that_nobody_causes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {key: cause for key, cause in docs_states.CAUSES["order"].items() if key[0] != "paid"}
    monkeypatch.setitem(docs_states.CAUSES, "order", without)

    with pytest.raises(ValueError, match="paid → cancelled"):
        docs_states.page()

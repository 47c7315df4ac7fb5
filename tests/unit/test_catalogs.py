"""The translations are whole, and what is committed is what './dev messages' would write."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings

from ops import messages
from ops.stack.layout import CHECKOUT


@pytest.fixture(scope="module")
def found() -> Catalog:
    return messages.collected()


def test_there_is_a_catalog_for_each_language_but_the_shops_own() -> None:
    translated = {path.parts[-3] for path in messages.catalogs()}

    assert translated | {settings.LANGUAGE_CODE} == {code for code, _name in settings.LANGUAGES}
    assert [Path(folder) for folder in settings.LOCALE_PATHS] == [CHECKOUT / "locale"]


def test_texts_of_python_and_of_templates_are_found(found: Catalog) -> None:
    assert found.get("See your order") is not None
    assert found.get("Save as PDF") is not None
    assert found.get("j F Y", context="date format") is not None


@pytest.mark.parametrize("path", messages.catalogs(), ids=lambda path: path.parts[-3])
def test_every_text_is_translated_with_its_placeholders(path: Path, found: Catalog) -> None:
    assert list(messages.left_to_do(messages.merged(path, found))) == []


@pytest.mark.parametrize("path", messages.catalogs(), ids=lambda path: path.parts[-3])
def test_the_committed_files_are_current(path: Path, found: Catalog) -> None:
    for file, content in messages.files(path, messages.merged(path, found)).items():
        assert file.read_bytes() == content, f"{file.name} is out of date: ./dev messages"


def test_a_lost_placeholder_and_a_missing_translation_are_told() -> None:
    catalog = Catalog(locale="de")
    catalog.add("Order %(number)s", "Bestellung")
    catalog.add("Total")

    assert list(messages.left_to_do(catalog)) == [
        "other placeholders: 'Order %(number)s'",
        "not translated: 'Total'",
    ]

"""``./dev messages``: the catalogs of translations, without gettext's own programs.

Texts are found in Python and in templates, merged into ``locale/*/LC_MESSAGES/django.po`` for a
person to translate, and compiled to the ``.mo`` that Django reads. Both files are committed.
"""

import argparse
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from ops.stack.layout import CHECKOUT

FOLDERS = ("orders", "shop", "config")
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
}
_NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_HOLE = re.compile(r"%\(\w+\)[sd]")


def main(argv: list[str]) -> int:
    """Exit code 0; 1 when something is left to translate, or with --check out of date."""
    parser = argparse.ArgumentParser(
        prog="./dev messages", description="Collect, merge and compile the translations."
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only tell")
    check = parser.parse_args(argv).check
    found = collected()
    problems = []
    for path in catalogs():
        catalog = merged(path, found)
        for file, content in files(path, catalog).items():
            if not file.exists() or file.read_bytes() != content:
                if check:
                    problems.append(f"{file.relative_to(CHECKOUT)} is out of date: ./dev messages")
                else:
                    file.write_bytes(content)
        problems += [f"{path.relative_to(CHECKOUT)}: {text}" for text in left_to_do(catalog)]
    print("\n".join(problems) or f"{len(found)} texts, all translated.")
    return 1 if problems else 0


def catalogs() -> list[Path]:
    """One for each language but the one that the texts are written in."""
    return [CHECKOUT / "locale" / code / "LC_MESSAGES" / "django.po" for code in ("de",)]


def collected() -> Catalog:
    """Every text that is marked for translation, sorted by file and place."""
    catalog = Catalog()
    for path in _sources():
        name = str(path.relative_to(CHECKOUT))
        for _line, text, notes, context in _texts(path):
            catalog.add(text, locations=[(name, 0)], auto_comments=notes, context=context)
    return catalog


def merged(path: Path, found: Catalog) -> Catalog:
    """The catalog with all of ``found`` and nothing else; known translations are kept."""
    language = path.parts[-3]
    catalog = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            catalog = read_po(file, locale=language)
    catalog.update(found, no_fuzzy_matching=True)
    return catalog


def files(path: Path, catalog: Catalog) -> dict[Path, bytes]:
    """The same bytes for the same texts: no dates, no line numbers."""
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, catalog, width=100, omit_header=True, include_lineno=False, ignore_obsolete=True)
    header = f'msgid ""\nmsgstr ""\n"Language: {catalog.locale}\\n"\n'
    header += '"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    text = header + po.getvalue().decode().strip() + "\n"
    compiled = read_po(io.BytesIO(text.encode()), locale=catalog.locale)
    compiled.creation_date = compiled.revision_date = _NO_DAY
    write_mo(mo, compiled)
    return {path: text.encode(), path.with_suffix(".mo"): mo.getvalue()}


def left_to_do(catalog: Catalog) -> Iterator[str]:
    """What is not translated, is only guessed, or lost one of its placeholders."""
    for message in catalog:
        if not message.id:
            continue
        texts = _strings(message.string)
        if message.fuzzy or not texts or not all(texts):
            yield f"not translated: {_strings(message.id)[0]!r}"
        elif any(_holes(text) != _holes(_strings(message.id)[-1]) for text in texts):
            yield f"other placeholders: {_strings(message.id)[0]!r}"


def _holes(text: str) -> set[str]:
    return set(_HOLE.findall(text))


def _strings(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())


def _sources() -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for pattern in ("*.py", "templates/**/*.html", "templates/**/*.txt")
        for path in (CHECKOUT / folder).rglob(pattern)
        if "migrations" not in path.parts
    )


def _texts(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        if not settings.configured:
            settings.configure()
        # Django turns a template into Python-like text for gettext's xgettext. Its indentation
        # means nothing, and Python's tokenizer would mind.
        code = templatize(source, origin=str(path))
        source = "\n".join(line.strip() for line in code.splitlines())
    yield from extract(
        "python", io.BytesIO(source.encode()), keywords=KEYWORDS, comment_tags=["Translators:"]
    )

"""Cells that a spreadsheet shows and does not run. Pure."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # full-width too


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would take for a formula.

    A shopper may name the street ``=HYPERLINK(…)``; whoever opens the file must not run it.
    """
    return f"'{text}" if text.lstrip(" ").startswith(_STARTS_A_FORMULA) else text

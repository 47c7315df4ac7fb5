"""The printer of gift cards, a machine of its own: the same key twice is one card."""

from pathlib import Path

from django.conf import settings

from tasks.errors import OutcomeUnknown, Permanent


def print_once(key: str, text: str) -> None:
    card = Path(settings.TOY_PRINTER_DIR) / key
    try:
        card.open("x").close()
    except FileExistsError:
        return  # asked before, printed before
    except FileNotFoundError as error:
        raise Permanent("There is no printer at TOY_PRINTER_DIR; set it, then redrive.") from error
    except OSError as error:
        raise OutcomeUnknown("The printer did not say whether it printed.") from error
    card.write_text(text, encoding="utf-8")

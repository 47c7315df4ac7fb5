"""One process of ``./dev check-lifecycle``, in a database of its own."""

import argparse
import json
import os
import sys

import django


def main(argv: list[str]) -> int:
    """Prints one JSON line after each batch, and what broke. Exit code 0: nothing."""
    parser = argparse.ArgumentParser(prog="python -m ops.lifecycle")
    parser.add_argument("--sequences", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--batch", type=int, default=250)
    wanted = parser.parse_args(argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from ops.lifecycle.database import own_database  # noqa: PLC0415 - needs the settings
    from ops.lifecycle.errors import Broken  # noqa: PLC0415 - as above
    from ops.lifecycle.run import Runner  # noqa: PLC0415 - as above

    runner = Runner()
    with own_database(f"lifecycle_{wanted.seed}"), runner.open():
        for number, start in enumerate(range(0, wanted.sequences, wanted.batch)):
            size = min(wanted.batch, wanted.sequences - start)
            try:
                runner.explore(size, first_seed=wanted.seed * 1_000_000 + number)
            except Broken as broken:
                print(json.dumps({"broken": str(broken), **runner.counts}), flush=True)
                return 1
            print(json.dumps(runner.counts), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

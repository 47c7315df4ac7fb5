"""``./dev check``: every static gate, each with its seconds; all run even when one fails."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ops.stack import placeholders
from ops.stack.layout import CHECKOUT

GATE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Gate:
    name: str
    command: list[str]


def gates() -> list[Gate]:
    tools = Path(sys.executable).parent
    # Without a database makemigrations cannot compare the history and warns; the gate is about
    # models without a migration.
    quiet_manage = [sys.executable, "-W", "ignore::RuntimeWarning", "manage.py"]
    return [
        Gate("lint", [str(tools / "ruff"), "check", "."]),
        Gate("format", [str(tools / "ruff"), "format", "--check", "."]),
        Gate("types", [str(tools / "mypy")]),
        Gate("layers", [str(tools / "lint-imports")]),
        Gate("migrations", [*quiet_manage, "makemigrations", "--check", "--dry-run"]),
        Gate("settings", [*quiet_manage, "check", "--deploy", "--fail-level", "WARNING"]),
        Gate(
            "compose",
            [
                *(str(tools / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"),
                "docker-compose.yml",
            ],
        ),
    ]


def main(argv: list[str]) -> int:
    """Exit code 0 when all gates pass, 1 when one fails."""
    names = [gate.name for gate in gates()]
    parser = argparse.ArgumentParser(prog="./dev check", description="Run the static gates.")
    parser.add_argument("gate", nargs="*", help=f"only these: {', '.join(names)}")
    wanted = parser.parse_args(argv).gate or names
    if unknown := set(wanted) - set(names):
        parser.error(f"there is no gate {', '.join(sorted(unknown))}; choose of {', '.join(names)}")
    environ = {**os.environ, **placeholders.settings()}
    failed = [gate.name for gate in gates() if gate.name in wanted and not _passes(gate, environ)]
    print(f"\nFailed: {', '.join(failed)}." if failed else f"\nAll {len(wanted)} gates passed.")
    return 1 if failed else 0


def _passes(gate: Gate, environ: dict[str, str]) -> bool:
    began = time.monotonic()
    try:
        run = subprocess.run(
            gate.command,
            cwd=CHECKOUT,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GATE_SECONDS,
            check=False,
        )
        passed, output = run.returncode == 0, run.stdout + run.stderr
    except subprocess.TimeoutExpired:
        passed, output = False, f"It did not end within {GATE_SECONDS} s."
    seconds = time.monotonic() - began
    print(f"{'ok    ' if passed else 'FAILED'}  {gate.name:<11} {seconds:5.1f} s", flush=True)
    if not passed:
        print("\n".join(f"        {line}" for line in output.strip().splitlines()), flush=True)
    return passed

"""``./dev test``: pytest on private servers."""

import os
import subprocess
import sys
from pathlib import Path

from ops.stack import environment, placeholders, programs, rabbitmq
from ops.stack.layout import CHECKOUT
from ops.stack.parts import SERVERS
from ops.stack.stack import Stack

NAME = "test"
# Tiers that read the settings and need no server.
WITHOUT_SERVERS = ("tests/unit", "tests/architecture")
BROWSER = "tests/browser"
CONTRACT = "tests/contract"
GRACE_SECONDS = 60


def main(argv: list[str]) -> int:
    """Run pytest with these arguments; its own exit code."""
    paths = named_paths(argv)
    if paths and all(_is_in(path, WITHOUT_SERVERS) for path in paths):
        return _pytest(argv, {**os.environ, **placeholders.settings()})
    browser = _browser() if needs(BROWSER, argv) else {}
    if needs(CONTRACT, argv) and (os.geteuid() == 0 or os.environ.get("CI")):
        # Elsewhere its tests are skipped, and say why.
        programs.ensure(["ZooKeeper", "ActiveMQ"], lambda line: print(line, flush=True))
    with Stack(NAME, fresh=True, parts=SERVERS) as stack:
        if "rabbitmq" not in stack.parts:
            rabbitmq.create_vhost(stack.environment["TEST_BROKER_API_URL"], environment.TEST_VHOST)
        return _pytest(argv, {**in_process(stack.environment), **browser})


def in_process(values: dict[str, str]) -> dict[str, str]:
    """The environment of the tests' own process, where it must differ from the application's.

    Both may run at once on the same servers, and order numbers repeat: without a prefix of their
    own the two would hold each other's leases and read each other's cache.
    """
    return {
        **values,
        "LOCK_KEY_PREFIX": environment.TEST_VHOST,
        "CACHE_URL": environment.with_path(values["CACHE_URL"], "/1"),
        "GATE_URL": environment.with_path(values["GATE_URL"], "/1"),
        "BROKER_URL": values["TEST_BROKER_URL"],
        "BROKER_API_URL": values["TEST_BROKER_API_URL"],
        # Off unless a test sets it; this one is for those of the event stream.
        "EVENT_SINK_URL": "",
        "TEST_EVENT_SINK_URL": values["EVENT_SINK_URL"],
    }


def named_paths(argv: list[str]) -> list[str]:
    """The arguments that are files or folders of this checkout, relative to it."""
    candidates = [argument.split("::")[0] for argument in argv if not argument.startswith("-")]
    return [
        str(path.relative_to(CHECKOUT))
        for path in ((CHECKOUT / candidate).resolve() for candidate in candidates)
        if path.exists() and path.is_relative_to(CHECKOUT)
    ]


def needs(folder: str, argv: list[str]) -> bool:
    """Whether tests of this folder run with these arguments."""
    if f"--ignore={folder}" in argv or ("--ignore" in argv and folder in named_paths(argv)):
        return False
    return any(
        _is_in(folder, (path,)) or _is_in(path, (folder,)) for path in named_paths(argv) or [folder]
    )


def _is_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _browser() -> dict[str, str]:
    programs.ensure(["Chromium"], lambda line: print(line, flush=True))
    return {"CHROMIUM": str(programs.command("Chromium"))}


def _pytest(argv: list[str], environ: dict[str, str]) -> int:
    process = subprocess.Popen([sys.executable, "-m", "pytest", *argv], cwd=CHECKOUT, env=environ)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # From the terminal it has the signal too; let it tidy up, but not for ever.
        process.terminate()
        try:
            process.wait(timeout=GRACE_SECONDS)
        finally:
            process.kill()
        raise

"""Programs and libraries that a stack needs: found on this machine, or installed when we may."""

import ctypes.util
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ops.stack.errors import StackError


@dataclass(frozen=True, slots=True)
class Program:
    """``folders`` are glob patterns, tried in order before PATH, the highest version first.

    PostgreSQL's programs are not in Debian's PATH, and RabbitMQ's there are wrappers that insist on
    a user of their own. A ``library`` is asked of the loader, and has no commands.
    """

    name: str
    package: str
    commands: tuple[str, ...]
    folders: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    library: str = ""


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "PostgreSQL",
            "postgresql",
            ("postgres", "initdb"),
            (
                "/usr/lib/postgresql/*/bin",
                "/usr/pgsql-*/bin",
                "/opt/homebrew/opt/postgresql@*/bin",
                "/usr/local/opt/postgresql@*/bin",
            ),
            ("DATABASE_URL",),
        ),
        Program(
            "RabbitMQ",
            "rabbitmq-server",
            ("rabbitmq-server",),
            ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"),
            ("BROKER_URL", "BROKER_API_URL"),
        ),
        Program(
            "epmd",
            "rabbitmq-server",
            ("epmd",),
            ("/usr/lib/erlang/bin",),
            ("BROKER_URL", "BROKER_API_URL"),
        ),
        Program(
            "Redis",
            "redis-server",
            ("redis-server",),
            (),
            ("LOCK_REDIS_URLS", "CACHE_URL", "GATE_URL"),
        ),
        Program("Chromium", "chromium", ("chromium",)),
        # Its package brings a Java to run it with.
        Program("ZooKeeper", "zookeeper", ("zkServer.sh",), ("/usr/share/zookeeper/bin",)),
        Program("ActiveMQ", "activemq", ("activemq",), ("/usr/bin",)),
        # Asks a web server as fast as it can.
        Program("wrk", "wrk", ("wrk",)),
        # Sets the type of invoices and packing slips; its package brings a font.
        Program("Pango", "libpangoft2-1.0-0", (), library="pangoft2-1.0"),
    )
}


def find(name: str) -> dict[str, Path] | None:
    """The commands of a program by name, all from one folder (none for a library); None when it is
    not installed."""
    program = PROGRAMS[name]
    if program.library:
        return {} if ctypes.util.find_library(program.library) else None
    for folder in (*_versions(program.folders), *_path()):
        found = {command: folder / command for command in program.commands}
        if all(os.access(path, os.X_OK) for path in found.values()):
            return found
    return None


def command(name: str, which: str | None = None) -> Path:
    """The path of one command of an installed program.

    Raises:
        StackError: it is not installed.
    """
    found = find(name)
    if found is None:
        raise StackError(missing_message([name]))
    return found[which or PROGRAMS[name].commands[0]]


def ensure(names: Iterable[str], say: Callable[[str], None]) -> None:
    """Make sure that the programs are there, through apt when we are root.

    Raises:
        StackError: they are not and we cannot install them; the text is one screen of ways on.
    """
    missing = [name for name in names if find(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError(missing_message(missing))
    packages = sorted({PROGRAMS[name].package for name in missing})
    say(f"Installing with apt (once, 20 to 90 seconds): {', '.join(packages)}")
    _apt("update")
    _apt("install", "-y", "--no-install-recommends", *packages)
    still = [name for name in missing if find(name) is None]
    if still:
        raise StackError(missing_message(still))


def missing_message(names: Iterable[str]) -> str:
    """One screen: what is missing and the three ways on."""
    programs = [PROGRAMS[name] for name in names]
    packages = " ".join(sorted({program.package for program in programs}))
    variables = sorted({variable for program in programs for variable in program.variables})
    lines = [
        *textwrap.wrap(f"Missing on this machine: {', '.join(p.name for p in programs)}.", 99),
        "",
        "Three ways on:",
        "  1. Install them, for instance with",
        *_wrapped(f"       sudo apt-get install --no-install-recommends {packages}"),
        "     and run this again.",
    ]
    if variables:
        lines += [
            "  2. Use servers that run already: set (.env.example explains each)",
            *(f"       {variable}" for variable in variables),
            "     and run this again.",
        ]
    else:
        lines += ["  2. Leave out what needs it, such as  ./dev test --ignore tests/browser"]
    lines += [
        "  3. Use containers:  cp .env.example .env, fill it in, then  docker compose up --build"
    ]
    return "\n".join(lines)


def _wrapped(line: str) -> list[str]:
    """A shell command as lines that fit a screen."""
    *others, last = textwrap.wrap(line, 97, subsequent_indent=" " * 9, break_on_hyphens=False)
    return [*(f"{other} \\" for other in others), last]


def _versions(patterns: tuple[str, ...]) -> list[Path]:
    def version(path: Path) -> list[int]:
        return [int(digits) for digits in re.findall(r"\d+", str(path))]

    root = Path("/")
    return [
        path
        for pattern in patterns
        for path in sorted(root.glob(pattern.lstrip("/")), key=version, reverse=True)
    ]


def _path() -> list[Path]:
    return [Path(folder) for folder in os.get_exec_path() if folder]


def _apt(*arguments: str) -> None:
    run = subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-q", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if run.returncode != 0:
        tail = "\n".join((run.stdout + run.stderr).splitlines()[-15:])
        raise StackError(
            f"apt-get {arguments[0]} failed:\n{tail}\n"
            "Repair the package manager, or install the programs another way and run this again."
        )

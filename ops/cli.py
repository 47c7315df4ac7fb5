"""The commands behind ``./dev``."""

import io
import signal
import sys
from collections.abc import Callable
from types import FrameType

from ops import check
from ops.stack import commands, tests
from ops.stack.errors import StackError

INTERRUPTED = 130
FAILED = 2


def _bench(argv: list[str]) -> int:
    from ops.bench import benches  # noqa: PLC0415 - brings in the application's locks

    return benches.main(argv)


def _demo(argv: list[str]) -> int:
    from ops.demo import run  # noqa: PLC0415 - brings in a browser's worth of packages

    return run.main(argv)


def _check_locks(argv: list[str]) -> int:
    from ops import check_locks  # noqa: PLC0415 - nothing else needs it

    return check_locks.main(argv)


def _check_lifecycle(argv: list[str]) -> int:
    from ops import check_lifecycle  # noqa: PLC0415 - nothing else needs it

    return check_lifecycle.main(argv)


def _load(argv: list[str]) -> int:
    from ops.load import run  # noqa: PLC0415 - nothing else needs it

    return run.main(argv)


def _rehearse(argv: list[str]) -> int:
    from ops.rehearse import run  # noqa: PLC0415 - nothing else needs it

    return run.main(argv)


def _crash(argv: list[str]) -> int:
    from ops.crash import run  # noqa: PLC0415 - nothing else needs it

    return run.main(argv)


def _docs(argv: list[str]) -> int:
    from ops import docs_states  # noqa: PLC0415 - brings in the application's states

    return docs_states.main(argv)


def _messages(argv: list[str]) -> int:
    from ops import messages  # noqa: PLC0415 - nothing else needs it

    return messages.main(argv)


def _help(_: list[str]) -> int:
    print(help_text())
    return 0


COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "up": (commands.up, "start the whole stack, leave it running, print addresses and logins"),
    "down": (commands.down, "stop it; its data are kept"),
    "status": (commands.status, "which parts run, and where"),
    "logs": (commands.logs, "the end of the logs: ./dev logs [part] [-f] [-n LINES]"),
    "demo": (_demo, "shoppers buy over HTTP on a stack of their own, then the audit"),
    "test": (tests.main, "all tests, on private servers: ./dev test [arguments of pytest]"),
    "bench": (_bench, "measurements on private servers: ./dev bench locks [--quick]"),
    "check": (check.main, "the static gates: style, types, layers, settings, migrations, compose"),
    "check-locks": (
        _check_locks,
        "the locks under random faults, at length: --schedules N, --cycles N",
    ),
    "docs": (_docs, "draw docs/states.md from the tables of states: ./dev docs [--check]"),
    "check-lifecycle": (
        _check_lifecycle,
        "orders under random actions, several at once: --sequences N, --seed N",
    ),
    "load": (_load, "shoppers and staff at once, then the audit: --seconds N, --shoppers N"),
    "rehearse": (
        _rehearse,
        "a flash sale with a crowd, then its proof: --units N, --crowd N, --kill all",
    ),
    "crash": (_crash, "kill -9 while messages flow, then count: --runs N, --messages N"),
    "audit": (commands.audit, "compare orders, stock, payments and mails of the running stack"),
    "manage": (commands.manage, "any manage.py command in the running stack: ./dev manage shell"),
    "messages": (_messages, "collect, merge and compile the translations: --check"),
    "help": (_help, "this text"),
}


def main(argv: list[str]) -> int:
    """Run one command; its exit code. 2: it could not be done, 130: interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # progress is for now, through a pipe too
    name, rest = (argv[0], argv[1:]) if argv else ("help", [])
    if name in {"-h", "--help"}:
        name = "help"
    if name not in COMMANDS:
        print(f"There is no command '{name}'.\n\n{help_text()}", file=sys.stderr)
        return FAILED
    _listen_to_signals()
    try:
        return COMMANDS[name][0](rest)
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED


def help_text() -> str:
    lines = [f"  ./dev {name:<17}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: ./dev COMMAND [arguments]",
            "",
            *lines,
            "",
            "Servers are private, on free ports of 127.0.0.1; data are in .stack or STACK_HOME.",
            "To use servers of your own, set DATABASE_URL, BROKER_URL and BROKER_API_URL,",
            "LOCK_REDIS_URLS, CACHE_URL, GATE_URL or STRIPE_API_KEY; .env.example explains each.",
        ]
    )


def _listen_to_signals() -> None:
    """Every stop from outside takes the same road as Ctrl-C, so that nothing is left running.

    Also SIGINT itself, which a shell's background job is born ignoring; not SIGHUP under nohup.
    """
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt

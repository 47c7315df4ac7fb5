"""The commands around the stack that stays up: up, down, status, logs, manage, audit."""

import argparse
import os
import sys
from typing import NoReturn

from ops.stack import parts, processes
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT, Layout
from ops.stack.stack import Stack

NAME = "dev"
NOT_RUNNING = 3


def up(argv: list[str]) -> int:
    """Exit code 0: everything is up."""
    parser = argparse.ArgumentParser(prog="./dev up", description="Start the whole stack.")
    parser.add_argument("--fresh", action="store_true", help="begin with empty servers")
    options = parser.parse_args(argv)
    stack = Stack(NAME, fresh=options.fresh, parts=parts.ALL)
    if stack.is_running():
        print("The stack is up already; './dev down' stops it.")
    else:
        stack.start()
    print(_addresses(stack))
    return 0


def down(argv: list[str]) -> int:
    """Exit code 0, also when nothing was running."""
    argparse.ArgumentParser(
        prog="./dev down", description="Stop the stack; data are kept."
    ).parse_args(argv)
    was_running = bool(processes.members(Layout.of(NAME)))
    Stack(NAME).stop()
    print("Stopped." if was_running else "Nothing was running.")
    return 0


def status(argv: list[str]) -> int:
    """Exit code 0: every part runs. 1: one does not. 3: the stack is not up."""
    argparse.ArgumentParser(prog="./dev status", description="Which parts run.").parse_args(argv)
    stack = Stack(NAME)
    if not stack.is_running():
        print("The stack is not up; './dev up' starts it.")
        return NOT_RUNNING
    states = {part: stack.status(part) for part in stack.parts}
    for part, state in states.items():
        print(f"  {part:<20} {state.state:<9} {state.detail}")
    print(_addresses(stack))
    return 0 if all(state.state == "RUNNING" for state in states.values()) else 1


def logs(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev logs", description="The end of the logs.")
    parser.add_argument("part", nargs="?", choices=parts.ALL, metavar="part", help="default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("-n", "--lines", type=int, default=50, help="how many (default 50)")
    options = parser.parse_args(argv)
    layout = Layout.of(NAME)
    names = [options.part] if options.part else parts.ALL
    files = [str(path) for name in names if (path := layout.log(name)).exists()]
    if not files:
        raise StackError(f"There are no logs in {layout.logs}. './dev up' starts the stack.")
    follow = ["-F"] if options.follow else []
    _become(["tail", "-n", str(options.lines), *follow, *files], dict(os.environ))


def manage(argv: list[str]) -> int:
    """Becomes manage.py, with the terminal, in the environment of the running stack."""
    _become([sys.executable, "manage.py", *argv], Stack.attach(NAME).environment)


def audit(argv: list[str]) -> int:
    return manage(["audit", *argv])


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.chdir(CHECKOUT)
    os.execvpe(command[0], command, environment)  # noqa: S606 - an argument list, no shell


def _addresses(stack: Stack) -> str:
    lines = ["", *(f"  {name:<10} {url}" for name, url in stack.urls.items()), ""]
    lines.append(f"  staff login for the admin:  {'  /  '.join(stack.staff_login)}")
    if "postgres" not in stack.parts:
        lines.append("  (a database that had this user before keeps its password)")
    lines.append(f"  login for Flower:           {'  /  '.join(stack.flower_login)}")
    if "rabbitmq" in stack.parts:
        lines.append(f"  login for RabbitMQ:         {'  /  '.join(stack.rabbitmq_login)}")
    return "\n".join(lines)

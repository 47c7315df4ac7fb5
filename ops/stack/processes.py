"""Which processes of this machine belong to a stack, and the end of those that should be gone."""

import time
from pathlib import Path
from typing import Any

import psutil

from ops.stack.layout import Layout
from ops.stack.parts import MARK

# These write their title over their own environment, or forget it; their working folder tells.
_SERVERS = {"postgres", "redis-server"}


def supervisor_of(layout: Layout) -> Any | None:
    """The running supervisord of this stack, or None.

    A number in a pid file proves nothing: after a crash or a reboot it may be anybody's. The
    process must also name this stack's configuration file.
    """
    try:
        process = psutil.Process(int(layout.pidfile.read_text(encoding="utf-8")))
        is_ours = str(layout.conf) in process.cmdline()
        return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def is_alive(pid: int) -> bool:
    try:
        # 0 is what the supervisor says of a part that does not run, and no process of ours.
        return pid > 0 and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def members(layout: Layout) -> list[Any]:
    """Every process that this stack started and that still lives."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != psutil.Process().pid and _belongs(process, layout.folder)
    ]


def end(layout: Layout, stop_seconds: float) -> int:
    """Stop the supervisor in order, then kill what is left of the stack. How many were killed."""
    supervisor = supervisor_of(layout)
    try:
        if supervisor is not None:
            _terminate(supervisor, stop_seconds)
    finally:
        killed = kill_members(layout)
    layout.pidfile.unlink(missing_ok=True)
    return killed


def kill_members(layout: Layout) -> int:
    """Kill all processes of the stack; repeat, since a killed parent may have forked meanwhile."""
    killed = 0
    for _ in range(5):
        left = members(layout)
        if not left:
            break
        killed += len(left)
        for process in left:
            _quietly(process.kill)
        psutil.wait_procs(left, timeout=5)
    return killed


def _terminate(process: Any, seconds: float) -> None:
    _quietly(process.terminate)
    if not _ended(process, seconds):
        _quietly(process.kill)


def _ended(process: Any, seconds: float) -> bool:
    # wait() sees a zombie as alive when its parent is not us and never reaps it.
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            process.wait(timeout=0.1)
            return True
        except psutil.TimeoutExpired:
            continue
        except psutil.Error:
            return True
    return False


def _belongs(process: Any, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == str(folder):
            return True
        return process.name() in _SERVERS and _is_below(process.cwd(), folder)
    except psutil.Error:
        return False


def _is_below(path: str, folder: Path) -> bool:
    return path == str(folder) or path.startswith(f"{folder}/")


def _quietly(action: Any) -> None:
    try:
        action()
    except psutil.Error:
        return

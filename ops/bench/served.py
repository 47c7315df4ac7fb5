"""The shop as it is served, and somebody who asks it as fast as they can: wrk."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ops.stack import ports, programs
from ops.stack.errors import StackError
from ops.stack.layout import CHECKOUT
from ops.stack.ports import LOOPBACK

CONNECTIONS = 32
_START_SECONDS = 30.0
_ANSWER_SECONDS = 120.0


@contextmanager
def web(environ: Mapping[str, str]) -> Iterator[str]:
    """The shop as it is served, and its address."""
    port = ports.choose(["web"], {})["web"]
    base = f"http://{LOOPBACK}:{port}"
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", LOOPBACK, "--port", str(port), "--workers", "2", "--blocking-threads", "8"),
        *("--no-access-log", "--log-level", "warning"),
    ]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        _wait_for(f"{base}/bench/ceiling/", process)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(url, timeout=2).raise_for_status()
            return
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise StackError(f"The shop does not answer at {url}: {error}") from None
            time.sleep(0.1)


def ask(base: str, method: str, path: str, seconds: int, crowd: Path) -> dict[str, Any]:
    """What ``wrk.lua`` says after asking for so long; ``crowd`` is its file of people.

    Raises StackError when wrk failed or any answer was an error.
    """
    script = str(CHECKOUT / "ops" / "bench" / "wrk.lua")
    done = subprocess.run(
        [
            *(str(programs.command("wrk")), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"),
            *("--timeout", "10s", "-s", script, base, "--", method, path, str(crowd)),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + _ANSWER_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{done.stdout}{done.stderr}\n\nwrk failed; see above.")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if told["errors"]:
        raise StackError(f"{method} {path} was answered {told['errors']} times with an error.")
    return told

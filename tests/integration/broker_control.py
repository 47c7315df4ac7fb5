"""RabbitMQ's own command line, for the private server that './dev test' has started."""

import os
import subprocess
from pathlib import Path

import pytest

from ops.stack import programs, rabbitmq, state
from ops.stack.layout import Layout

_SECONDS = 60


def rabbitmqctl(*arguments: str) -> str:
    """Its output. Skips the test when the broker is somebody else's."""
    layout = Layout.of("test")
    known = state.load(layout)
    if known is None or "rabbitmq" not in known.parts:
        pytest.skip("the broker is not ours to disturb")
    program = Path(programs.command("RabbitMQ")).with_name("rabbitmqctl")
    done = subprocess.run(
        [str(program), *arguments],
        env={"PATH": os.environ["PATH"], **rabbitmq.environment(layout, known.ports)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()

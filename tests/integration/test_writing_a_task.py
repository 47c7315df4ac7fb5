"""docs/writing-a-task.md is true: its code is the toy application's, whose tests pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.stack.environment import with_path

TOY = Path(__file__).parent / "toy_app"
PAGE = TOY.parents[2] / "docs" / "writing-a-task.md"
BLOCK = re.compile(r"^```python\n# toy_app/(?P<file>\w+\.py)\n(?P<code>.*?)^```", re.M | re.S)


def test_every_block_of_code_in_the_document_is_the_toy_applications() -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)

    assert len(blocks) == text.count("```python") >= 8
    for file, code in blocks:
        source = (TOY / file).read_text(encoding="utf-8")
        assert code.strip() in source.replace("tests.integration.toy_app", "toy_app"), file


@pytest.mark.timeout(240)
def test_the_toy_applications_own_tests_pass() -> None:
    """In a process with its settings, as its author runs them."""
    environ = {**os.environ, "DATABASE_URL": with_path(os.environ["DATABASE_URL"], "/toy")}
    settings = "--ds=tests.integration.toy_app.settings"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", settings, str(TOY / "tests.py")],
        env=environ,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout

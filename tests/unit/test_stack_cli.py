"""The command line: what it understands and what it says."""

import pytest

from ops import cli
from ops.stack import tests


def test_an_unknown_command_is_named_and_the_commands_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["ups"]) == cli.FAILED
    said = capsys.readouterr().err
    assert "There is no command 'ups'." in said
    assert "./dev up " in said


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help"]) == 0
    said = capsys.readouterr().out
    assert all(f"./dev {name}" in said for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], True),
        (["-k", "checkout"], True),
        (["tests"], True),
        (["tests/browser"], True),
        (["tests/integration"], False),
        (["--ignore", "tests/browser"], False),
        (["--ignore=tests/browser"], False),
    ],
)
def test_the_browser_is_asked_for_only_when_its_tests_run(
    arguments: list[str], wanted: bool
) -> None:
    assert tests.needs(tests.BROWSER, arguments) is wanted


def test_paths_are_told_from_other_arguments() -> None:
    arguments = ["-k", "unit", "tests/unit/test_stack_cli.py::test_x", "--maxfail=1"]
    assert tests.named_paths(arguments) == ["tests/unit/test_stack_cli.py"]

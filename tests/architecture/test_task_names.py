"""Names last longer than code: what workers register, what is routed, what beat sends, agree."""

import inspect
import re
from pathlib import Path

import pytest
from django.conf import settings

from config.celery import app
from config.settings import TASK_QUEUES
from tasks.base import PlatformTask

HERE = Path(__file__).resolve().parent
LINES = (HERE / "task_names.txt").read_text(encoding="utf-8").splitlines()
NAMES = [line for line in LINES[: LINES.index("# retired")] if line and not line.startswith("#")]
RETIRED = [line for line in LINES[LINES.index("# retired") :] if line and not line.startswith("#")]
FORM = re.compile(r"(?P<first>[a-z_]+\.[a-z_]+)(\.v(?P<version>[2-9]|[1-9][0-9]+))?")


def registered() -> dict[str, PlatformTask]:
    """What a worker of the application knows; the tests' own tasks and Celery's are not part."""
    app.loader.import_default_modules()
    return {
        name: task
        for name, task in app.tasks.items()
        if isinstance(task, PlatformTask) and not task.__module__.startswith(("tests.", "ops."))
    }


def test_the_checked_in_list_is_what_workers_register() -> None:
    assert sorted(registered()) == NAMES, (
        "Names of tasks changed. Messages under the old name may be on their way: read "
        "'Changing a task' in docs/deploy.md before you change tests/architecture/task_names.txt."
    )


def test_no_retired_name_is_used_again() -> None:
    assert set(RETIRED) & set(registered()) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_explicit_and_its_versions_are_complete(name: str) -> None:
    task = registered()[name]
    form = FORM.fullmatch(name)

    assert form is not None
    # The name that Celery would have made up follows the code around.
    assert name != f"{task.__module__}.{task.run.__name__}"
    if version := form["version"]:
        before = form["first"] + (f".v{int(version) - 1}" if int(version) > 2 else "")
        assert before in NAMES + RETIRED


@pytest.mark.parametrize("name", NAMES)
def test_a_handler_tolerates_fields_that_it_does_not_know(name: str) -> None:
    parameters = inspect.signature(registered()[name].run).parameters.values()
    kinds = {parameter.kind for parameter in parameters}

    assert inspect.Parameter.VAR_KEYWORD in kinds
    # By position a new argument of a newer sender would land in the wrong place.
    assert kinds <= {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def test_every_task_has_a_queue_and_every_queue_entry_a_task() -> None:
    # Not those of the process, to which other tests may have added theirs.
    assert set(TASK_QUEUES) == set(NAMES)


def test_beat_sends_what_is_registered_as_periodic() -> None:
    periodic = {name for name, task in registered().items() if task.periodic}

    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == periodic

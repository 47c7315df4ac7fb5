"""Errors travel between processes: Celery pickles what a task raised."""

import pickle

import pytest

from tasks.errors import BreakerOpen, LeaseBusy


@pytest.mark.parametrize("error", [LeaseBusy("order:7", 1.5), BreakerOpen("payment.capture", 9.0)])
def test_what_it_tells_survives_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))

"""What the tiers share: the running shop that './dev test' has prepared."""

import logging
import os
from pathlib import Path

import pytest

from ops.stack.parts import APPLICATION, STANDBY
from ops.stack.stack import Stack
from tests.system.shop_floor import ShopFloor

# A line for each request of each test says nothing, and would show addresses with passwords.
logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def shop() -> ShopFloor:
    """The whole application, on the servers that './dev test' started; stopped by it as well."""
    stack = Stack.attach("test")
    stack.start_application(part for part in APPLICATION if part not in STANDBY)
    return ShopFloor(stack)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's browser; './dev test' installs it or says how."""
    return Path(os.environ["CHROMIUM"])

"""Every address of the back office: which role may look, and which may press its button.

A new address without a row here fails: say who may, then build it.
"""

import pytest

pytestmark = pytest.mark.django_db

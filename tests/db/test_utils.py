"""webframe.db.utils: the errors of databases, where Django has them."""

from __future__ import annotations

import pytest

from webframe import db
from webframe.db import errors, utils


@pytest.mark.parametrize("name", [*(name for name in dir(db) if name.endswith("Error")), "ConnectionDoesNotExist"])
def test_the_errors_at_djangos_address_are_those_that_are_raised(name):
    assert getattr(utils, name) is getattr(errors, name)

"""Names that are made of other names."""

from __future__ import annotations

from webframe.db.models.naming import normalised_together, shortened, spaced


def test_names_are_made_readable_and_short():
    assert spaced("HTTPRequestLog") == "http request log"
    assert spaced("pizza") == "pizza"
    long = shortened("a" * 100)
    assert len(long) == 63 and long != shortened("a" * 101)
    assert shortened("short") == "short"


def test_names_that_belong_together_are_tuples():
    assert normalised_together(("a", "b")) == (("a", "b"),)
    assert normalised_together([["a", "b"], ("c",)]) == (("a", "b"), ("c",))
    assert normalised_together(None) == ()

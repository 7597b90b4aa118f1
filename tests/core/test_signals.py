"""The signals of the core: what each is sent with, and that a receiver has to take it."""

from __future__ import annotations

import pytest

from webframe.core import signals
from webframe.dispatch import Signal

KEYWORDS = {
    "request_started": {"environ", "scope"},
    "request_finished": set(),
    "got_request_exception": {"request"},
    "setting_changed": {"setting", "value", "enter"},
    "websocket_started": {"scope"},
    "websocket_finished": set(),
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_each_signal_knows_its_name_its_place_and_when_it_is_sent(name):
    signal = getattr(signals, name)
    assert isinstance(signal, Signal)
    assert (signal.name, signal.module) == (name, "webframe.core.signals")
    assert signal.__doc__.startswith("Sent ")


@pytest.mark.parametrize(("name", "keywords"), KEYWORDS.items())
def test_a_receiver_without_kwargs_has_to_take_them_all(name, keywords):
    signal = getattr(signals, name)
    scope = {}
    for missing in keywords:
        parameters = ", ".join({"sender", "signal", *keywords} - {missing})
        exec(f"def deaf({parameters}): ...", scope)
        with pytest.raises(ValueError, match=missing):
            signal.connect(scope["deaf"])
    exec(f"def whole({', '.join({'sender', 'signal', *keywords})}): ...", scope)
    signal.connect(scope["whole"])
    assert signal.disconnect(scope["whole"])

"""ModelSignal: senders that are named before they exist."""

from __future__ import annotations

import functools
import gc
import weakref
from types import SimpleNamespace

import pytest

from webframe.apps.registry import Apps
from webframe.apps.registry import apps as installed_apps
from webframe.core.checks import Error, registry, run_checks
from webframe.db.models import signals
from webframe.db.models.signals import ModelSignal
from webframe.dispatch import receiver

pytestmark = pytest.mark.both_ways

# As if in the module of an app.
pizza_baked = ModelSignal()


def define(registry, label, name):
    """Define what the registry takes for a model."""
    meta = SimpleNamespace(app_label=label, model_name=name.lower(), _expire_cache=lambda: None)
    model = type(name, (), {"_meta": meta})
    registry.register_model(label, model)
    return model


@pytest.fixture
def signal():
    return ModelSignal()


@pytest.fixture
def apps():
    return Apps()


def hear(sender, **kwargs):
    return "heard"


class Waiter:
    def listen(self, sender, **kwargs): ...

    def __call__(self, sender, **kwargs): ...


def test_a_model_that_exists_is_connected_at_once_by_its_name(signal, apps):
    pizza = define(apps, "shop", "Pizza")
    signal.connect(hear, sender="shop.pIZZa", apps=apps)
    assert signal.send(pizza) == [(hear, "heard")]


def test_a_model_that_does_not_exist_yet_is_connected_as_soon_as_it_does(signal, apps):
    signal.connect(hear, sender="shop.Pizza", apps=apps)
    assert not signal.active
    calzone = define(apps, "shop", "Calzone")
    assert not signal.has_listeners(calzone)
    pizza = define(apps, "shop", "Pizza")
    assert signal.send(pizza) == [(hear, "heard")]
    assert signal.send(calzone) == []


def test_the_label_of_the_app_is_taken_as_it_is_written(signal, apps):
    signal.connect(hear, sender="Shop.Pizza", apps=apps)
    assert not signal.has_listeners(define(apps, "shop", "Pizza"))


def test_every_keyword_of_connect_waits_too(signal, apps):
    async def hear_later(sender, **kwargs): ...

    signal.connect(hear, sender="shop.Pizza", apps=apps)
    signal.connect(lambda sender, **kwargs: "early", "shop.Pizza", False, "uid", apps, priority=2, inline=True)
    pizza = define(apps, "shop", "Pizza")
    early, late = signal.registrations()
    assert (early.priority, early.inline, early.weak, early.dispatch_uid) == (2, True, False, "uid")
    assert late.receiver is hear
    assert [response for _, response in signal.send(pizza)] == ["early", "heard"]


def test_waiting_receivers_are_connected_in_the_order_in_which_they_came(signal, apps):
    def after(sender, **kwargs):
        return "after"

    signal.connect(hear, sender="shop.Pizza", apps=apps)
    signal.connect(after, sender="shop.Pizza", apps=apps)
    signal.connect(hear, sender="shop.pizza", apps=apps)
    assert [response for _, response in signal.send(define(apps, "shop", "Pizza"))] == ["heard", "after"]


def test_a_disconnect_takes_its_turn_behind_the_connects(signal, apps):
    signal.connect(hear, sender="shop.Pizza", apps=apps)
    assert signal.disconnect(hear, sender="shop.Pizza", apps=apps) is None
    pizza = define(apps, "shop", "Pizza")
    assert signal.send(pizza) == []
    signal.connect(hear, sender=pizza)
    assert signal.disconnect(hear, sender="shop.Pizza", apps=apps) is None
    assert signal.send(pizza) == []


def test_classes_never_wait_and_disconnecting_them_tells_whether_it_did(signal, apps):
    class Pizza:
        pass

    signal.connect(hear, sender=Pizza, dispatch_uid="uid", apps=apps)
    assert signal.disconnect(hear, sender=Pizza, apps=apps) is False
    assert signal.disconnect(sender=Pizza, dispatch_uid="uid", apps=apps) is True
    signal.connect(hear)
    assert signal.disconnect(hear) is True
    assert not apps.pending_operations


@pytest.mark.parametrize("name", ["", "Pizza", "shop.menu.Pizza", ".Pizza", "shop."])
def test_what_cannot_be_the_name_of_a_model_is_refused_at_once(signal, apps, name):
    for call in (signal.connect, signal.disconnect, signal.muted, signal.connected_to):
        with pytest.raises(ValueError, match="does not name a model"):
            call(hear, sender=name, apps=apps)
    assert not apps.pending_operations


def test_what_cannot_be_a_receiver_is_refused_at_once(signal, apps):
    with pytest.raises(TypeError, match="callable"):
        signal.connect(None, sender="shop.Pizza", apps=apps)
    with pytest.raises(ValueError, match="kwargs"):
        signal.connect(lambda sender: None, sender="shop.Pizza", apps=apps)
    assert not apps.pending_operations


def test_a_waiting_receiver_is_kept_alive_until_the_model_is_there_and_no_longer(signal, apps):
    def local(sender, **kwargs): ...

    reference = weakref.ref(local)
    signal.connect(local, sender="shop.Pizza", apps=apps)
    del local
    gc.collect()
    assert reference() is not None
    pizza = define(apps, "shop", "Pizza")
    gc.collect()
    assert reference() is None
    assert signal.send(pizza) == []


def test_models_can_be_muted_and_connected_to_by_name(signal, apps):
    pizza, calzone = define(apps, "shop", "Pizza"), define(apps, "shop", "Calzone")
    signal.connect(hear)
    with signal.muted(sender="shop.Pizza", apps=apps):
        assert signal.send(pizza) == []
        assert len(signal.send(calzone)) == 1
    with signal.muted(hear), signal.connected_to(hear, sender="shop.Pizza", apps=apps):
        assert len(signal.send(pizza)) == 1
        assert signal.send(calzone) == []
    with pytest.raises(LookupError, match="shop.Lasagna"):
        signal.muted(sender="shop.Lasagna", apps=apps)


def test_the_decorator_passes_the_registry_on(signal, apps):
    @receiver(signal, sender="shop.Pizza", apps=apps)
    def local(sender, **kwargs): ...

    assert signal.send(define(apps, "shop", "Pizza")) == [(local, None)]


def test_a_defined_model_signal_waits_for_models_too(apps):
    @ModelSignal.define
    def pizza_saved(sender: type, *, instance: object) -> None:
        """Sent when a pizza was saved."""

    pizza_saved.connect(hear, sender="shop.Pizza", apps=apps)
    assert len(pizza_saved.send(define(apps, "shop", "Pizza"), instance=1)) == 1
    assert pizza_saved.name.endswith("pizza_saved")


# --- the check ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pending():
    """Leave the registry of the process without what a test leaves waiting."""
    before = installed_apps.pending_operations
    yield
    with installed_apps._models_lock:
        installed_apps._pending.clear()
        installed_apps._pending.update(before)


def found():
    return [message for message in run_checks(tags=["models"]) if message.id == "signals.E001"]


@pytest.mark.usefixtures("no_pending")
@pytest.mark.parametrize(
    ("receiver", "description"),
    [
        (hear, "The function 'hear'"),
        (Waiter().listen, "The bound method 'Waiter.listen'"),
        (Waiter(), "An instance of 'Waiter'"),
        (functools.partial(hear), "An instance of 'partial'"),
    ],
)
def test_a_name_that_never_comes_to_anything_is_reported(receiver, description):
    assert found() == []
    pizza_baked.connect(receiver, sender="nowhere.Pizza", weak=False)
    (error,) = found()
    assert isinstance(error, Error)
    assert error.msg == f"{description} is connected to pizza_baked for 'nowhere.Pizza', and there is no such model."
    assert error.hint


@pytest.mark.usefixtures("no_pending")
def test_a_waiting_disconnect_is_no_error():
    pizza_baked.disconnect(hear, sender="nowhere.Pizza")
    assert found() == []


def test_the_check_is_registered_by_the_module_itself():
    assert signals.senders_exist in [each.function for each in registry.registrations]

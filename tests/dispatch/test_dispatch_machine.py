"""Random sequences of connecting, disconnecting, dying, muting and sending, against a model in a list."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from webframe.dispatch import Signal


class Sender:
    pass


class Waiter:
    def __init__(self, number):
        self.number = number

    def listen(self, **kwargs):
        return self.number

    def __call__(self, **kwargs):
        return self.number


def make_function(number):
    def function(**kwargs):
        return number

    return function


@dataclass
class Entry:
    """What the model knows of a registration; receivers and senders are numbers, so that it keeps nobody alive."""

    receiver: int
    sender: int
    weak: bool
    uid: str
    priority: int

    @property
    def key(self):
        return (self.uid or self.receiver, self.sender)


EVERYBODY = 0


class DispatchMachine(RuleBasedStateMachine):
    """The numbers of those who are owned are in the bundles; the dictionaries own them."""

    receivers = Bundle("receivers")
    senders = Bundle("senders")

    def __init__(self):
        super().__init__()
        self.signal = Signal()
        self.entries: list[Entry] = []
        self.saved: tuple[list, list[Entry]] | None = None
        self.owned_receivers = {}
        self.owned_senders = {EVERYBODY: None}
        # Numbers of senders that registrations keep alive because Python cannot refer to them weakly.
        self.immortal_senders = {EVERYBODY}
        self.numbers = iter(range(1, 10_000))

    # --- who there is

    @rule(target=receivers, kind=st.sampled_from(["function", "method", "callable"]))
    def add_receiver(self, kind):
        number = next(self.numbers)
        self.owned_receivers[number] = kind, make_function(number) if kind == "function" else Waiter(number)
        return number

    @rule(target=senders, make=st.sampled_from([Sender, object, lambda: "".join(["te", "xt"])]))
    def add_sender(self, make):
        number = next(self.numbers)
        self.owned_senders[number] = make()
        if make is not Sender:
            self.immortal_senders.add(number)
        return number

    @rule(target=senders)
    def everybody(self):
        return EVERYBODY

    @rule(number=consumes(receivers))
    def drop_receiver(self, number):
        del self.owned_receivers[number]
        self.bury()

    @rule(number=consumes(senders))
    def drop_sender(self, number):
        if number != EVERYBODY:
            self.owned_senders.pop(number, None)
            self.bury()

    def bury(self):
        """Take out of the model what cannot be reached, which may have been the last to hold something else."""
        saved = self.saved[1] if self.saved is not None else []
        count = None
        while count != len(self.entries):
            count = len(self.entries)
            self.entries = self.living(self.entries, saved)

    def living(self, entries, others):
        held = {entry.receiver for entry in [*self.entries, *others] if not entry.weak} | set(self.owned_receivers)
        senders = self.immortal_senders | set(self.owned_senders)
        return [entry for entry in entries if entry.receiver in held and entry.sender in senders]

    def receiver(self, number):
        kind, owned = self.owned_receivers[number]
        return owned.listen if kind == "method" else owned

    # --- what they do

    @rule(
        receiver=receivers,
        sender=senders,
        weak=st.booleans(),
        uid=st.sampled_from(["", "", "one", "two"]),
        priority=st.sampled_from([0, 0, 0, 1, -1]),
    )
    def connect(self, receiver, sender, weak, uid, priority):
        if sender not in self.owned_senders:
            return
        entry = Entry(receiver, sender, weak, uid, priority)
        if entry.key not in [other.key for other in self.entries]:
            self.entries.append(entry)
        self.signal.connect(
            self.receiver(receiver), self.owned_senders[sender], weak=weak, dispatch_uid=uid, priority=priority
        )

    @rule(receiver=receivers, sender=senders, uid=st.sampled_from(["", "", "one", "two"]))
    def disconnect(self, receiver, sender, uid):
        if sender not in self.owned_senders:
            return
        key = (uid or receiver, sender)
        known = [entry for entry in self.entries if entry.key == key]
        removed = self.signal.disconnect(self.receiver(receiver), self.owned_senders[sender], uid)
        assert removed is bool(known)
        self.entries = [entry for entry in self.entries if entry.key != key]
        self.bury()

    @rule()
    def mute_by_assignment(self):
        if self.saved is None:
            self.saved = self.signal.receivers, self.entries
            self.signal.receivers, self.entries = [], []

    @rule()
    def restore_by_assignment(self):
        if self.saved is not None:
            registrations, entries = self.saved
            self.saved = None
            meanwhile = self.signal.receivers
            self.signal.receivers = registrations + meanwhile
            del registrations, meanwhile
            entries = self.living(entries, entries)
            known = [entry.key for entry in entries]
            self.entries = entries + [entry for entry in self.entries if entry.key not in known]
            self.bury()

    # --- what must hold

    def heard(self, sender, muted=frozenset()):
        heard = [entry for entry in self.entries if entry.sender in (EVERYBODY, sender)]
        heard.sort(key=lambda entry: -entry.priority)
        return [entry.receiver for entry in heard if entry.receiver not in muted]

    @rule(sender=senders)
    def send(self, sender):
        if sender in self.owned_senders:
            sent = self.signal.send(self.owned_senders[sender])
            assert [response for _, response in sent] == self.heard(sender)

    @rule(sender=senders, receiver=receivers)
    def send_while_one_is_muted(self, sender, receiver):
        if sender in self.owned_senders:
            with self.signal.muted(self.receiver(receiver)):
                sent = self.signal.send(self.owned_senders[sender])
            assert [response for _, response in sent] == self.heard(sender, {receiver})

    @rule(sender=senders, receiver=receivers, listened=senders)
    def send_while_one_more_is_connected(self, sender, receiver, listened):
        if sender in self.owned_senders and listened in self.owned_senders:
            with self.signal.connected_to(self.receiver(receiver), self.owned_senders[listened]):
                sent = self.signal.send(self.owned_senders[sender])
            heard = [response for _, response in sent]
            if listened in (EVERYBODY, sender) and (receiver, listened) not in [entry.key for entry in self.entries]:
                # Last of those with its priority, which is 0.
                before = [
                    entry for entry in self.entries if entry.sender in (EVERYBODY, sender) and entry.priority >= 0
                ]
                assert heard.pop(len(before)) == receiver
            assert heard == self.heard(sender)

    @rule(sender=senders)
    def ask(self, sender):
        if sender in self.owned_senders:
            assert self.signal.has_listeners(self.owned_senders[sender]) is bool(self.heard(sender))

    @rule()
    def look(self):
        assert len(self.signal.receivers) == len(self.entries)
        assert self.signal.active == len(self.entries)
        assert len(self.signal.registrations()) == len(self.entries)

    @invariant()
    def whatever_could_be_called_makes_it_active(self):
        assert self.signal.active or not self.entries


DispatchMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestDispatchMachine = DispatchMachine.TestCase

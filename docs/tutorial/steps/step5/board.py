"""What the kitchen board knows of the requests; it may be read from any thread."""

from collections import deque
from contextvars import ContextVar

from webframe import current_request
from webframe.core.signals import got_request_exception, request_finished, request_started
from webframe.dispatch import receiver

# The last requests, and among them the one that is being answered here.
VISITS = deque(maxlen=20)
current_visit = ContextVar("current_visit", default=None)


@receiver(request_started, inline=True)
def begin(sender, **kwargs):
    request = current_request.get()
    if request.endpoint not in ("live", "static"):
        visit = {"method": request.method, "path": request.path, "state": "running"}
        current_visit.set(visit)
        VISITS.append(visit)


@receiver(got_request_exception, inline=True)
def fail(sender, request, **kwargs):
    visit = current_visit.get()
    if visit is not None:
        visit["state"] = "failed"


@receiver(request_finished, inline=True)
def end(sender, **kwargs):
    visit = current_visit.get()
    if visit is not None and visit["state"] == "running":
        visit["state"] = "finished"

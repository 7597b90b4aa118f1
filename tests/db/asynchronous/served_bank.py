"""An app whose views count in many ways, for a real server: ``uvicorn tests.db.asynchronous.served_bank:app``."""

from __future__ import annotations

import asyncio
from typing import Any

from webframe import Webframe, workers
from webframe.contrib.atomic import atomic_requests, non_atomic_requests
from webframe.db import connection, transaction
from webframe.db.models import F
from webframe.db.models.signals import post_save
from webframe.db.transaction import atomic

from .bank import Account, Entry, Note

app = Webframe("bank")
app.middleware(atomic_requests)


async def count(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Every entry is added to its account."""
    await asyncio.sleep(0)
    await Account.objects.filter(pk=instance.account_id).aupdate(balance=F("balance") + instance.amount)


post_save.connect(count, sender=Entry, weak=False)


@app.post("/locked")
async def locked(request: Any) -> str:
    account = await Account.objects.select_for_update().aget(owner="ann")
    await asyncio.sleep(0.001)
    account.balance += 1
    await account.asave()
    return "counted"


@app.post("/computed")
@non_atomic_requests
async def computed(request: Any) -> str:
    await Account.objects.filter(owner="ann").aupdate(balance=F("balance") + 1)
    return "counted"


@app.post("/block")
@non_atomic_requests
async def block(request: Any) -> str:
    async with atomic():
        account = await Account.objects.select_for_update().aget(owner="ann")
        async with atomic():
            await Account.objects.filter(pk=account.pk).aupdate(balance=account.balance + 1)
            transaction.on_commit(note)
    return "counted"


async def note() -> None:
    await Note.objects.acreate(text="committed")


@app.post("/received")
async def received(request: Any) -> str:
    account = await Account.objects.select_for_update().aget(owner="ann")
    await Entry.objects.acreate(account=account, amount=1)
    return "counted"


@app.post("/mixed")
async def mixed(request: Any) -> str:
    account = await Account.objects.select_for_update().aget(owner="ann")

    def plain() -> None:
        with atomic():
            account.balance += 1
            account.save()

    await workers.run(plain)
    return "counted"


@app.post("/plain")
def plain(request: Any) -> str:
    account = Account.objects.select_for_update().get(owner="ann")
    account.balance += 1
    account.save()
    return "counted"


@app.post("/gathered")
async def gathered(request: Any) -> str:
    await Account.objects.select_for_update().aget(owner="ann")
    await asyncio.gather(*(Account.objects.aupdate(balance=F("balance") + change) for change in (2, -1)))
    return "counted"


@app.post("/failing")
async def failing(request: Any) -> str:
    await Account.objects.aupdate(balance=F("balance") + 1000)
    raise RuntimeError("this was not to be counted")


@app.post("/slow")
async def slow(request: Any) -> str:
    await Account.objects.select_for_update().aget(owner="ann")
    await Account.objects.aupdate(balance=F("balance") + 1000)
    await asyncio.sleep(0.02)
    async with atomic():
        await Entry.objects.acreate(account=await Account.objects.aget(), amount=1000)
        await asyncio.sleep(60)
    return "never"


@app.get("/connections")
@non_atomic_requests
async def in_use(request: Any) -> dict[str, int]:
    pool = connection.loop_pool(asyncio.get_running_loop())
    return {"count": pool.count, "idle": pool.idle}

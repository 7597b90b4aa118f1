"""What guests see: the menu, the cart, and how far their order is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from example_app.menu import MENU
from example_app.orders import MOST_OF_A_KIND, Draft, Order, Status, orders
from example_app.signals import order_placed
from webframe import Group, Request, Response, redirect, render
from webframe.template import filters

pages = Group()


@filters.register
def euros(amount: Decimal) -> str:
    return f"€\N{NO-BREAK SPACE}{amount:.2f}"


@pages.get("/")
def menu(request: Request) -> str:
    return render("menu.html", menu=MENU.values(), most=MOST_OF_A_KIND)


@pages.get("/cart")
def cart(request: Request) -> str:
    """The cart is in the address, so it needs no cookie, and there is nothing to forget."""
    draft = draft_of(request.args)
    if "name" not in request.args:
        del draft.errors["name"]  # nobody has asked for it yet
    return cart_page(draft, request.args)


@pages.post("/orders")
async def order(request: Request) -> Response | tuple[str, int]:
    """Place an order, and send the browser to its page, so that a reload does not order again."""
    draft = draft_of(request.form)
    if draft.errors:
        return cart_page(draft, request.form), 400
    placed = orders.place(draft)
    await order_placed.asend(Order, order=placed)
    return redirect(request.url_for("show", number=placed.number), 303)


@pages.get("/orders/<int:number>")
async def show(request: Request, number: int) -> str:
    steps = [Status.RECEIVED, Status.BAKING, Status.READY]
    return render("order.html", order=orders.get(number), steps=steps)


def draft_of(fields: Mapping[str, str]) -> Draft:
    """What was chosen in a form; fields that we do not know are left alone."""
    return Draft(fields.get("name", ""), {slug: fields.get(slug, "") for slug in MENU})


def cart_page(draft: Draft, fields: Mapping[str, str]) -> str:
    chosen = [pizza for slug, pizza in MENU.items() if slug in draft.errors or fields.get(slug, "").strip("0 ")]
    return render("cart.html", draft=draft, fields=fields, chosen=chosen, most=MOST_OF_A_KIND)

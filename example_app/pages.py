"""What guests see: the menu, the pizzas, the cart, and how far their order is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from example_app import orders
from example_app.models import Order, Pizza
from example_app.orders import MOST_OF_A_KIND, Draft
from webframe import Group, Request, Response, redirect, render
from webframe.template import filters

pages = Group()


@filters.register
def euros(amount: Decimal) -> str:
    return f"€\N{NO-BREAK SPACE}{amount:.2f}"


@pages.get("/")
def menu(request: Request) -> str:
    return render("menu.html", menu=Pizza.objects.prefetch_related("toppings"), most=MOST_OF_A_KIND)


@pages.get("/pizzas/<slug:slug>")
def pizza(request: Request, slug: str) -> str:
    return render("pizza.html", pizza=Pizza.objects.get_or_404(slug=slug), most=MOST_OF_A_KIND)


@pages.get("/cart")
def cart(request: Request) -> str:
    """The cart is in the address, so it needs no cookie, and there is nothing to forget."""
    draft = draft_of(request.args)
    if "name" not in request.args:
        del draft.errors["name"]  # nobody has asked for it yet
    return cart_page(draft, request.args)


@pages.post("/orders")
def order(request: Request) -> Response | tuple[str, int]:
    """Place an order, and send the browser to its page, so that a reload does not order again."""
    draft = draft_of(request.form)
    if draft.errors:
        return cart_page(draft, request.form), 400
    placed = orders.place(draft)
    return redirect(request.url_for("show", number=placed.pk), 303)


@pages.get("/orders/<int:number>")
def show(request: Request, number: int) -> str:
    order = orders.find(number)
    steps = [Order.Status.RECEIVED, Order.Status.BAKING, Order.Status.READY]
    earlier = order.customer.orders.filter(pk__lt=order.pk).count()
    return render("order.html", order=order, steps=steps, earlier=earlier)


def draft_of(fields: Mapping[str, str]) -> Draft:
    """What was chosen in a form; fields that are no pizzas are left alone."""
    slugs = Pizza.objects.values_list("slug", flat=True)
    return Draft(fields.get("name", ""), {slug: fields.get(slug, "") for slug in slugs})


def cart_page(draft: Draft, fields: Mapping[str, str]) -> str:
    chosen = [pizza for slug, pizza in draft.menu.items() if slug in draft.errors or fields.get(slug, "").strip("0 ")]
    return render("cart.html", draft=draft, fields=fields, chosen=chosen, most=MOST_OF_A_KIND)

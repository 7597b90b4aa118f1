from pathlib import Path

from board import VISITS
from menu import MENU
from orders import ORDERS, Order, check, find, place
from signals import order_placed

from webframe import Response, Webframe, abort, redirect, render
from webframe.template import filters

app = Webframe(__name__)
app.static("/static", Path(__file__).with_name("static"))


@filters.register
def euros(cents):
    return f"€ {cents / 100:.2f}"


@app.get("/")
def index(request):
    return render("index.html", menu=MENU, form={}, errors={})


@app.post("/orders")
def order(request):
    errors = check(request.form)
    if errors:
        return render("index.html", menu=MENU, form=request.form, errors=errors), 400
    placed = place(request.form)
    order_placed.send(Order, order=placed)
    return redirect(request.url_for("show", number=placed.number), 303)


@app.get("/orders/<int:number>")
async def show(request, number):
    return render("order.html", order=find(number))


class OvenError(Exception):
    """The oven cannot do this."""


@app.get("/kitchen")
def kitchen(request):
    return render("kitchen.html", orders=list(ORDERS.values())[::-1], visits=list(VISITS)[::-1])


@app.get("/kitchen/live")
def live(request):
    response = Response(render("board.html", orders=list(ORDERS.values())[::-1], visits=list(VISITS)[::-1]))
    response.add_etag()
    return response


@app.post("/kitchen/orders/<int:number>/bake")
def bake(request, number):
    order = find(number)
    if order.pizza is MENU["vesuvio"]:
        order.status = "burnt"
        raise OvenError("The oven cannot bake lava.")
    order.status = "in the oven"
    return redirect(request.url_for("kitchen"), 303)


@app.errorhandler(404)
def not_found(request, error):
    if "text/html" not in request.headers.get("Accept", ""):
        raise error
    return render("404.html", error=error), 404


@app.get("/api/menu/<slug>")
async def api_pizza(request, slug):
    if slug not in MENU:
        abort(404, f"There is no {slug} on the menu.")
    return MENU[slug]

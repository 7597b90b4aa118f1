from pathlib import Path

from menu import MENU
from orders import check, find, place

from webframe import Webframe, abort, redirect, render
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
    return redirect(request.url_for("show", number=placed.number), 303)


@app.get("/orders/<int:number>")
async def show(request, number):
    return render("order.html", order=find(number))


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

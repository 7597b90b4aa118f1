from pathlib import Path

from menu import MENU

from webframe import Webframe, abort, render
from webframe.template import filters

app = Webframe(__name__)
app.static("/static", Path(__file__).with_name("static"))


@filters.register
def euros(cents):
    return f"€ {cents / 100:.2f}"


@app.get("/")
def index(request):
    return render("index.html", menu=MENU)


@app.get("/api/menu/<slug>")
async def api_pizza(request, slug):
    if slug not in MENU:
        abort(404, f"There is no {slug} on the menu.")
    return MENU[slug]

from menu import MENU

from webframe import Webframe, abort

app = Webframe(__name__)


@app.get("/")
def index(request):
    return "<h1>Pizzeria</h1>"


@app.get("/api/menu/<slug>")
async def api_pizza(request, slug):
    if slug not in MENU:
        abort(404, f"There is no {slug} on the menu.")
    return MENU[slug]

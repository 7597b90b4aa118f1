"""What there is to eat when the pizzeria opens, and how it gets into the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from example_app.models import Pizza, Topping
from webframe.core.exceptions import ImproperlyConfigured
from webframe.db import IntegrityError, OperationalError, connection, transaction
from webframe.db.schema import create_all

Layer = Topping.Layer

LAYERS = {
    Layer.SAUCE: ["tomato"],
    Layer.CHEESE: ["mozzarella", "gorgonzola", "fontina", "parmesan"],
    Layer.TOPPING: ["garlic", "mushrooms", "hot salami", "anchovies", "capers", "aubergine", "courgette", "peppers"],
    Layer.HERB: ["basil", "oregano", "parsley", "olive oil", "chilli"],
}
FROM_ANIMALS = {"hot salami", "anchovies"}

FIRST_MENU: list[dict[str, Any]] = [
    {"name": "Marinara", "price": "6.50", "toppings": ["tomato", "garlic", "oregano", "olive oil"]},
    {"name": "Margherita", "price": "7.50", "look": "basil", "toppings": ["tomato", "mozzarella", "basil"]},
    {
        "name": "Funghi",
        "price": "8.90",
        "look": "mushroom",
        "toppings": ["tomato", "mozzarella", "mushrooms", "parsley"],
    },
    {"name": "Diavola", "price": "9.50", "look": "salami", "toppings": ["tomato", "mozzarella", "hot salami"]},
    {
        "name": "Quattro formaggi",
        "price": "9.90",
        "look": "cheese",
        "toppings": ["mozzarella", "gorgonzola", "fontina", "parmesan"],
    },
    {"name": "Napoli", "price": "8.50", "look": "olive", "toppings": ["tomato", "anchovies", "capers"]},
    {"name": "Verdure", "price": "9.20", "look": "basil", "toppings": ["tomato", "aubergine", "courgette", "peppers"]},
    # Hotter than the oven: baking it fails, so that there is something to be seen on the kitchen board.
    {
        "name": "Vesuvio",
        "price": "12.00",
        "look": "lava",
        "heat": 900,
        "remark": "Hotter than our oven: watch it fail.",
        "toppings": ["tomato", "chilli"],
    },
]


def prepare() -> None:
    """Create the tables that are missing, and write the first menu if there is none.

    It is called whenever a process starts, and several may start at once. Raises
    `ImproperlyConfigured` where nothing can be kept.
    """
    try:
        create_all()
        if not Pizza.objects.exists():
            write_first_menu()
    except IntegrityError:
        pass  # another process was faster: it has written the same
    except OperationalError as error:
        raise ImproperlyConfigured(
            f"The pizzeria cannot keep its orders in {connection.settings_dict['NAME']}: {error} Start it in a folder "
            "that it may write to, or put the URL of another database into DATABASE_URL, such as "
            "sqlite:////tmp/pizzeria.db."
        ) from error


@transaction.atomic
def write_first_menu() -> None:
    """All of it or nothing. Names are unique, so another process that does the same waits at the first of them."""
    toppings = {}
    for layer, names in LAYERS.items():
        for name in names:
            toppings[name] = Topping.objects.create(name=name, layer=layer, vegetarian=name not in FROM_ANIMALS)
    for entry in FIRST_MENU:
        about = {name: value for name, value in entry.items() if name != "toppings"}
        about["price"] = Decimal(about["price"])
        pizza = Pizza.objects.create(slug=entry["name"].lower().replace(" ", "-"), **about)
        pizza.toppings.set(toppings[name] for name in entry["toppings"])

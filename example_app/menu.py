"""What there is to eat."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Pizza:
    """One line of the menu; `slug` is its name in addresses and forms."""

    slug: str
    name: str
    toppings: str
    price: Decimal
    # What the plate looks like: the name of a class in the stylesheet.
    look: str = "tomato"
    vegetarian: bool = True
    # In degrees Celsius.
    heat: int = 450


MENU = {
    pizza.slug: pizza
    for pizza in (
        Pizza("marinara", "Marinara", "Tomato, garlic, oregano, olive oil", Decimal("6.50")),
        Pizza("margherita", "Margherita", "Tomato, mozzarella, basil", Decimal("7.50"), look="basil"),
        Pizza("funghi", "Funghi", "Tomato, mozzarella, mushrooms, parsley", Decimal("8.90"), look="mushroom"),
        Pizza("diavola", "Diavola", "Tomato, mozzarella, hot salami", Decimal("9.50"), look="salami", vegetarian=False),
        Pizza("quattro-formaggi", "Quattro formaggi", "Four cheeses, no tomato", Decimal("9.90"), look="cheese"),
        Pizza("napoli", "Napoli", "Tomato, anchovies, capers", Decimal("8.50"), look="olive", vegetarian=False),
        Pizza("verdure", "Verdure", "Aubergine, courgette, peppers", Decimal("9.20"), look="basil"),
        # Hotter than the oven: baking it fails, so that there is something to be seen on the kitchen board.
        Pizza("vesuvio", "Vesuvio", "Hotter than our oven: watch it fail", Decimal("12.00"), look="lava", heat=900),
    )
}

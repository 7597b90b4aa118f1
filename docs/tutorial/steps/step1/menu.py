"""What there is to eat: pizzas by the name they have in addresses and forms, with prices in cents."""

MENU = {
    "marinara": {"name": "Marinara", "toppings": "tomato, garlic, oregano", "price": 650},
    "margherita": {"name": "Margherita", "toppings": "tomato, mozzarella, basil", "price": 750},
    "vesuvio": {"name": "Vesuvio", "toppings": "lava", "price": 1200},
}

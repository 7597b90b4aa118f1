"""What the pizzeria keeps: what there is to eat, who has ordered what, and the news that the kitchen reads.

Three things are worth a look. A pizza has many toppings and a topping is on many pizzas; a line of an order keeps the
price of that day, whatever becomes of the menu; and what people and the menu call a status differs from what is kept.
"""

from __future__ import annotations

from decimal import Decimal

from webframe.db import models
from webframe.db.models import Q

LONGEST_NAME = 40


class Topping(models.Model):
    """Something that pizzas have on them."""

    class Layer(models.IntegerChoices):
        """When it goes onto the pizza, and so where it stands among the others."""

        SAUCE = 1
        CHEESE = 2
        TOPPING = 3
        HERB = 4

    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    layer = models.PositiveSmallIntegerField(choices=Layer.choices, default=Layer.TOPPING)
    vegetarian = models.BooleanField(default=True)

    class Meta:
        ordering = ["layer", "name"]

    def __str__(self) -> str:
        return self.name


class Pizza(models.Model):
    """One line of the menu."""

    # Its name in addresses and forms.
    slug = models.SlugField(max_length=LONGEST_NAME, unique=True)
    name = models.CharField(max_length=LONGEST_NAME)
    toppings = models.ManyToManyField(Topping, related_name="pizzas")
    remark = models.CharField(max_length=80, blank=True, default="")
    price = models.DecimalField(max_digits=5, decimal_places=2)
    # What the plate looks like: the name of a class in the stylesheet.
    look = models.CharField(max_length=20, default="tomato")
    # In degrees Celsius.
    heat = models.PositiveSmallIntegerField(default=450)

    class Meta:
        ordering = ["pk"]
        constraints = [models.CheckConstraint(condition=Q(price__gt=0), name="pizza_has_a_price")]

    def __str__(self) -> str:
        return self.name

    @property
    def ingredients(self) -> str:
        """The toppings as the menu lists them: "Tomato, mozzarella, basil"."""
        listed = ", ".join(topping.name for topping in self.toppings.all())
        return listed[:1].upper() + listed[1:]

    @property
    def vegetarian(self) -> bool:
        return all(topping.vegetarian for topping in self.toppings.all())


class Customer(models.Model):
    """Somebody who has ordered; who gives the same name is the same customer to us."""

    name = models.CharField(max_length=LONGEST_NAME, unique=True)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What somebody has ordered, and how far it is."""

    class Status(models.TextChoices):
        """What is kept, and what people read."""

        RECEIVED = "received", "received"
        BAKING = "baking", "in the oven"
        READY = "ready", "ready"
        BURNT = "burnt", "burnt"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    pizzas = models.ManyToManyField(Pizza, through="Line", related_name="orders")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RECEIVED)
    placed = models.DateTimeField(auto_now_add=True)
    # What receivers find out, see signals.py.
    minutes = models.PositiveSmallIntegerField(null=True)
    courier = models.CharField(max_length=LONGEST_NAME, blank=True, default="")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Order {self.pk} for {self.customer}"

    @property
    def total(self) -> Decimal:
        return sum((line.price for line in self.lines.all()), Decimal())


class Line(models.Model):
    """So many of one pizza in an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    pizza = models.ForeignKey(Pizza, on_delete=models.PROTECT, related_name="lines")
    quantity = models.PositiveSmallIntegerField()
    unit_price = models.DecimalField(max_digits=5, decimal_places=2)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["order", "pizza"], name="a_pizza_once_in_an_order")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.pizza}"

    @property
    def price(self) -> Decimal:
        return self.unit_price * self.quantity


class News(models.Model):
    """Something that has changed, as a signal has told it; see news.py."""

    signal = models.CharField(max_length=20)
    text = models.CharField(max_length=200)

    class Meta:
        ordering = ["-pk"]

import pytest
from orders import ORDERS, Order
from pizzeria import OvenError
from pizzeria import app as pizzeria
from signals import book_courier, order_placed


@pytest.fixture
def app():
    return pizzeria


def order(client, pizza):
    """Order something, and return the address of the order."""
    answer = client.post("/orders", data={"name": "Ada", "pizza": pizza})
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_an_order_has_a_page(client):
    page = client.get(order(client, "margherita"))
    assert "Thank you, Ada!" in page.text
    assert page.context["order"].courier == "Chiara"


def test_a_form_with_mistakes_orders_nothing(client):
    before = len(ORDERS)
    answer = client.post("/orders", data={"name": " ", "pizza": "hawaii"})
    assert answer.status_code == 400
    assert answer.context["errors"].keys() == {"name", "pizza"}
    assert len(ORDERS) == before


def test_an_order_is_announced(client, signals):
    sent = signals.capture(order_placed)
    order(client, "marinara")
    assert sent.assert_sent_once(sender=Order).arguments["order"].name == "Ada"


def test_no_courier_is_booked_while_that_receiver_is_muted(client, signals):
    signals.mute(order_placed, receiver=book_courier)
    page = client.get(order(client, "marinara")).text
    assert "Chiara" not in page


def test_lava_does_not_bake(client):
    address = order(client, "vesuvio")
    with pytest.raises(OvenError):
        client.post(f"/kitchen{address}/bake")
    assert "burnt" in client.get(address).text
    assert f"POST /kitchen{address}/bake: failed" in client.get("/kitchen/live").text

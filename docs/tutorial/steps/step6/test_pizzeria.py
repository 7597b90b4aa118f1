import pytest
from orders import ORDERS
from pizzeria import OvenError, app
from signals import book_courier, order_placed

from webframe.test import Client, capture_signals


@pytest.fixture(params=["wsgi", "asgi"])
def client(request):
    with Client(app, protocol=request.param) as client:
        yield client


def order(client, pizza):
    """Order something, and return the address of the order."""
    answer = client.post("/orders", data={"name": "Ada", "pizza": pizza})
    assert answer.status_code == 303
    return answer.headers["Location"]


def test_an_order_has_a_page(client):
    page = client.get(order(client, "margherita")).text
    assert "Thank you, Ada!" in page
    assert "Chiara brings it" in page


def test_a_form_with_mistakes_orders_nothing(client):
    before = len(ORDERS)
    answer = client.post("/orders", data={"name": " ", "pizza": "hawaii"})
    assert answer.status_code == 400
    assert "Please tell us your name." in answer.text
    assert len(ORDERS) == before


def test_an_order_is_announced(client):
    with capture_signals(order_placed) as sent:
        order(client, "marinara")
    assert [one.arguments["order"].name for one in sent] == ["Ada"]


def test_no_courier_is_booked_while_that_receiver_is_muted(client):
    with order_placed.muted(book_courier):
        page = client.get(order(client, "marinara")).text
    assert "Chiara" not in page


def test_lava_does_not_bake(client):
    address = order(client, "vesuvio")
    with pytest.raises(OvenError):
        client.post(f"/kitchen{address}/bake")
    assert "burnt" in client.get(address).text
    assert f"POST /kitchen{address}/bake: failed" in client.get("/kitchen/live").text

"""Claim: a WSGI request costs no more than Falcon's, and a plain or routed one an eighth of Flask's.

Each case is one exchange (see _exchanges.py) with one application per framework (see peers/), in process, without a
server. `notfound` and `error` are answered with each framework's own page, `notfound_page` and `error_page` by a
handler of the application's, with the same text everywhere. Reading a query, a header and a cookie and a JSON body
may cost 1.15 of Falcon's time, a form and a stream of 100 chunks 1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import _exchanges as exchanges
from _exchanges import Exchange
from _harness import Batch, Case, Goal, Growth, run

PEERS = ["webframe", "falcon", "bottle", "werkzeug", "flask", "django"]

EIGHTH_OF_FLASK = Goal("webframe", "flask", 1 / 8)


def main() -> None:
    modules = exchanges.peers("wsgi", ["bare", *PEERS])

    def case(name: str, exchange: Exchange, make: Callable[[Any], Any], at_most: float = 1.0, *more: Goal) -> Case:
        def build() -> Mapping[str, Batch]:
            bare = modules["bare"]
            contenders = {name: exchanges.wsgi(make(bare), exchange) for name in ("bare", "bare again")}
            for peer, module in modules.items():
                if peer != "bare":
                    contenders[peer] = exchanges.wsgi(make(module), exchange)
            return contenders

        return Case(name, build, [Goal("webframe", "falcon", at_most), *more])

    def views(module: Any) -> Any:
        return module.views()

    def pages(module: Any) -> Any:
        return module.pages()

    cases = [
        case("plaintext", exchanges.PLAINTEXT, views, 1.0, EIGHTH_OF_FLASK),
        case("json", exchanges.JSON, views),
        case("read", exchanges.READ, views, 1.15),
        case("json_post", exchanges.JSON_POST, views, 1.15),
        case("form_post", exchanges.FORM_POST, views, 1.5),
        case("notfound", exchanges.NOT_FOUND, views),
        case("notfound_page", exchanges.NOT_FOUND_PAGE, pages),
        case("error", exchanges.ERROR, views),
        case("error_page", exchanges.ERROR_PAGE, pages),
        case("stream", exchanges.STREAM, views, 1.5),
        *(
            case(f"route_{n}", exchanges.route(n), lambda module, n=n: module.routes(n), 1.0, EIGHTH_OF_FLASK)
            for n in (1, 100, 1000)
        ),
        case("static_1000", exchanges.static(1000), lambda module: module.statics(1000), 1.0, EIGHTH_OF_FLASK),
        case("middleware_5", exchanges.PLAINTEXT, lambda module: module.middleware(5)),
    ]
    growth = [Growth("webframe", "route_1000", "route_1", 1.15)]
    run(__doc__, cases, growth=growth, packages=[peer for peer in PEERS if peer != "webframe"])


if __name__ == "__main__":
    main()

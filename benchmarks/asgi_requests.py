"""Claim: an ASGI request costs at most 0.6 of Starlette's, and with a view that may block 0.7.

Each case is one exchange (see _exchanges.py) with one application per framework (see peers/), in process, without a
server, on one event loop. `notfound` and `error` are answered with each framework's own page, `notfound_page` and
`error_page` by a handler of the application's, with the same text everywhere. A JSON body may cost 0.75 of
Starlette's time. In `plaintext_sync` the view is a plain function, which takes a thread; Falcon has no such views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import _exchanges as exchanges
from _exchanges import Exchange
from _harness import Batch, Case, Goal, Growth, run

PEERS = ["webframe", "starlette", "falcon"]


def main() -> None:
    modules = exchanges.peers("asgi", ["bare", *PEERS])
    conductor = exchanges.Conductor()

    def case(name: str, exchange: Exchange, make: Callable[[Any], Any], at_most: float = 0.6) -> Case:
        def build() -> Mapping[str, Batch]:
            bare = modules["bare"]
            contenders = {name: exchanges.asgi(make(bare), exchange, conductor) for name in ("bare", "bare again")}
            for peer, module in modules.items():
                if peer != "bare" and not (peer == "falcon" and exchange is exchanges.PLAINTEXT_SYNC):
                    contenders[peer] = exchanges.asgi(make(module), exchange, conductor)
            return contenders

        return Case(name, build, [Goal("webframe", "starlette", at_most)])

    def views(module: Any) -> Any:
        return module.views()

    def pages(module: Any) -> Any:
        return module.pages()

    cases = [
        case("plaintext", exchanges.PLAINTEXT, views),
        case("plaintext_sync", exchanges.PLAINTEXT_SYNC, views, 0.7),
        case("json", exchanges.JSON, views),
        case("read", exchanges.READ, views),
        case("json_post", exchanges.JSON_POST, views, 0.75),
        case("form_post", exchanges.FORM_POST, views),
        case("notfound", exchanges.NOT_FOUND, views),
        case("notfound_page", exchanges.NOT_FOUND_PAGE, pages),
        case("error", exchanges.ERROR, views),
        case("error_page", exchanges.ERROR_PAGE, pages),
        case("stream", exchanges.STREAM, views),
        *(case(f"route_{n}", exchanges.route(n), lambda module, n=n: module.routes(n)) for n in (1, 100, 1000)),
        case("static_1000", exchanges.static(1000), lambda module: module.statics(1000)),
        case("middleware_5", exchanges.PLAINTEXT, lambda module: module.middleware(5)),
    ]
    growth = [Growth("webframe", "route_1000", "route_1", 1.15)]
    run(__doc__, cases, growth=growth, packages=["starlette", "anyio", "falcon"])
    conductor.close()


if __name__ == "__main__":
    main()

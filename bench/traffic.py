"""`make bench-traffic`: what users notice of deploys, at 200 requests a second before a real HAProxy and real programs.

A rolling deploy, a deploy that fails with its automatic rollback, a blue/green switch and the switch back, each under
the load; the yardstick is the same load while nothing is deployed. As a proof that this load would notice, the rolling
deploy is made once more without telling HAProxy.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.report import Demand, Figure
from tests.lab.load import Seen, users
from tests.lab.storefront import Storefront, storefront

if TYPE_CHECKING:
    from pipelines.deploys.models import Deploy, Environment

CALM_SECONDS = 5
FLIP_SECONDS_MAX = 2.0
PATIENCE = 0.5  # of the load, after the last act


@dataclass(frozen=True, slots=True)
class Measured:
    """What users saw of one act, and how long it took."""

    name: str
    seen: Seen
    seconds: float


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as directory:
        _open_records(Path(directory, "state"))
        calm, rolling, unannounced = _in_waves(Path(directory, "waves"))
        switched = _in_groups(Path(directory, "groups"))
    acts = [*rolling, *switched]
    rows = [
        (one.name, one.seen.requests, len(one.seen.failures), one.seen.p99 * 1000, one.seconds)
        for one in (calm, *acts, unannounced)
    ]
    report.table("200 requests a second", ("", "requests", "failed", "p99 ms", "took s"), rows)
    flip = switched[-1].seconds
    report.conclude(
        Figure(max(one.seen.p99 for one in acts), calm.seen.p99),
        [
            *(Demand(f"{one.name}: no request fails", not one.seen.failures) for one in (calm, *acts)),
            Demand(f"the switch back takes {flip:.2f} s, less than {FLIP_SECONDS_MAX:g}", flip < FLIP_SECONDS_MAX),
            Demand("without telling HAProxy users notice", bool(unannounced.seen.failures)),
        ],
    )


def _open_records(state: Path) -> None:
    import django
    from django.core.management import call_command

    os.environ.update(SLIPWAY_STATE_DIR=str(state), DJANGO_SETTINGS_MODULE="server.settings", SLIPWAY_LOG_LEVEL="ERROR")
    django.setup()
    call_command("migrate", verbosity=0)


def _in_waves(directory: Path) -> tuple[Measured, list[Measured], Measured]:
    from pipelines.deploys.models import Deploy
    from tests.lab.shopkeeper import bring, make_release, open_environment, perform, went_well

    with _shop(directory, ("", "", "", "")) as shop:
        environment = open_environment(shop)
        went_well(bring(environment, make_release(environment)))

        def fail() -> None:
            failed = bring(environment, make_release(environment, broken=True))
            went_well(perform(Deploy.objects.get(undoes=failed)))

        def deploy() -> None:
            went_well(bring(environment, make_release(environment)))

        calm = _measured("nothing is deployed", shop, lambda: time.sleep(CALM_SECONDS))
        acts = [_measured("rolling deploy", shop, deploy), _measured("failed deploy, rollback", shop, fail)]
        _forget_balancer(environment)
        return calm, acts, _measured("rolling deploy, unannounced", shop, deploy)


def _in_groups(directory: Path) -> list[Measured]:
    from pipelines.deploys.rollbacks import roll_back
    from tests.lab.shopkeeper import BLUE_GREEN, bring, make_release, open_environment, perform, went_well

    with _shop(directory, ("blue", "blue", "green", "green")) as shop:
        environment = open_environment(shop, strategy=BLUE_GREEN)
        old, new = make_release(environment), make_release(environment)
        went_well(bring(environment, old))

        def back() -> "Deploy":
            return went_well(perform(roll_back(environment, old, "bench")))

        there = _measured("blue/green", shop, lambda: went_well(bring(environment, new)))
        environment.refresh_from_db()
        return [there, _measured("switch back", shop, back)]


def _measured(name: str, shop: Storefront, act: Callable[[], object]) -> Measured:
    with users(shop.proxy.url, 200) as seen:
        began = time.monotonic()
        act()
        took = time.monotonic() - began
        time.sleep(PATIENCE)
    if seen.late:
        print(f"  {name}: {seen.late} of {seen.requests} requests were sent more than a second late")
    return Measured(name, seen, took)


def _forget_balancer(environment: "Environment") -> None:
    type(environment).objects.filter(pk=environment.pk).update(balancer_kind="", balancer={})
    environment.refresh_from_db()


def _shop(directory: Path, groups: tuple[str, ...]) -> AbstractContextManager[Storefront]:
    from pipelines.deploys import credentials

    pair = credentials.generate("bench")
    return storefront(directory, private_key=pair.private, public_key=pair.public, groups=groups)


if __name__ == "__main__":
    main()

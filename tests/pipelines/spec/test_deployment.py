"""The deploy section: three kinds of release, and how the hosts are brought over."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipelines.spec.conditions import Circumstances
from pipelines.spec.installation import (
    CompareSpec,
    ContainerSpec,
    DeploySpec,
    HealthSpec,
    HookSpec,
    HooksSpec,
    ReleaseKind,
    RequiresSpec,
    StrategyKind,
    StrategySpec,
)
from pipelines.spec.parser import Problem, SpecError, parse
from pipelines.spec.planning import deployment
from pipelines.spec.strategy import strategy_of

TAG = "registry.example.org/shop:1.2"
STAGES = f"""\
image: x
stages:
  a: {{steps: [x], artifacts: [dist/]}}
  pack: {{build: {{tags: ["{TAG}", "registry.example.org/shop:${{{{ sha }}}}"], push: true}}}}
  kept: {{build: {{tags: [registry.example.org/kept]}}}}
deploy:
"""
FILES = "artifact: dist\npath: /srv/shop\n"
IMAGE = f"image: {TAG}\npath: /srv/shop\ncontainer: {{name: shop, port: 8000}}\n"


def section(body: str) -> str:
    return STAGES + "".join(f"  {line}\n" for line in body.splitlines())


def read(body: str) -> DeploySpec:
    found = parse(section(body)).deploy
    assert found
    return found


def problem(body: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        parse(section(body))
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


def strategy(body: str) -> StrategySpec:
    return read(f"{FILES}strategy: {body}").strategy


def test_a_release_of_files_with_all_that_may_be_said() -> None:
    assert read(
        FILES + "shared: [var]\n"
        "requires: {sudo: true, tools: [systemctl, curl], disk: 2g}\n"
        "migrate: {run: ./migrate, irreversible: true}\n"
        "activate: restart\n"
        "hooks:\n"
        "  before: ./announce\n"
        "  after: [./warm, {run: ./tell, once: true}]\n"
        "  failure: {run: ./collect}\n"
        'health: {url: "http://127.0.0.1:8000/", timeout: 5s, answers: 3, interval: 2s}\n'
        "timeout: 20m\n"
        "silence: 2m\n"
    ) == DeploySpec(
        artifact="dist",
        path="/srv/shop",
        shared=("var",),
        requires=RequiresSpec(True, ("systemctl", "curl"), 2048),
        migrate="./migrate",
        irreversible=True,
        activate="restart",
        hooks=HooksSpec(
            (HookSpec("./announce"),), (HookSpec("./warm"), HookSpec("./tell", once=True)), (HookSpec("./collect"),)
        ),
        health=HealthSpec(url="http://127.0.0.1:8000/", timeout_seconds=5, answers=3, interval_seconds=2),
        timeout_seconds=1200,
        silence_seconds=120,
    )


def test_a_release_that_is_an_image() -> None:
    found = read(
        f"image: {TAG}\npath: /srv/shop\n"
        "container:\n"
        "  name: shop\n"
        "  port: 8000\n"
        "  address: 0.0.0.0\n"
        "  volumes: [shop-data:/data, /etc/shop:/etc/shop:ro]\n"
        "  command: run 'a b'\n"
        "  network: backend\n"
        "  stop: 1m\n"
        'health: {url: "http://127.0.0.1:$SLIPWAY_PORT/healthz"}\n'
    )
    volumes = ("shop-data:/data", "/etc/shop:/etc/shop:ro")
    assert found.container == ContainerSpec("shop", 8000, "0.0.0.0", volumes, "run 'a b'", "backend", 60)
    assert (found.kind, found.image) == (ReleaseKind.IMAGE, TAG)
    assert found.health
    assert found.health.url == "http://127.0.0.1:$SLIPWAY_PORT/healthz"


@pytest.mark.parametrize("commands", ["git pull", "[git pull]"])
def test_a_release_that_is_commands(commands: str) -> None:
    found = read(f"commands: {commands}\npath: /srv/shop")
    assert (found.kind, found.commands) == (ReleaseKind.COMMANDS, ("git pull",))


def test_commands_keep_their_order_and_may_stand_twice() -> None:
    assert read("commands: [b, a, b]\npath: /srv/shop").commands == ("b", "a", "b")


def test_all_kinds_go_to_json_and_back_unchanged() -> None:
    for body in (FILES + "migrate: {run: x, irreversible: true}\n", IMAGE, "commands: [x]\npath: /srv/shop\n"):
        found = read(body + "strategy: {canary: 10%, bake: 5m, compare: x}\nhooks: {after: {run: x, once: true}}")
        assert DeploySpec.from_json(found.to_json()) == found


def test_sections_stored_before_there_were_kinds_still_read() -> None:
    old: Mapping[str, Any] = {
        "artifact": "dist/",
        "path": "/srv/shop",
        "shared": ["var"],
        "migrate": "./migrate",
        "activate": None,
        "health": {"url": None, "command": "true", "timeout_seconds": 5},
        "strategy": {"waves": [1, "25%", "rest"], "parallel": 3, "max_failures": 1},
    }
    found = DeploySpec.from_json(old)
    assert (found.kind, found.migrate, found.irreversible) == (ReleaseKind.FILES, "./migrate", False)
    assert found.strategy == StrategySpec(waves=(1, "25%", "rest"), parallel=3, max_failures=1)


def test_the_tag_of_an_image_is_filled_in_as_in_the_stage_that_pushes_it() -> None:
    text = section('image: "registry.example.org/shop:${{ sha }}"\npath: /srv/shop\ncontainer: {name: shop}')
    found = deployment(parse(text), Circumstances(event="push", ref="refs/heads/main", sha="c0ffee"))
    assert found
    assert found.image == "registry.example.org/shop:c0ffee"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all_at_once", StrategySpec(waves=("rest",))),
        ("blue_green", StrategySpec(StrategyKind.BLUE_GREEN, ("rest",))),
        ("replace", StrategySpec(StrategyKind.REPLACE, ("rest",))),
        ("{blue_green: true, bake: 1m}", StrategySpec(StrategyKind.BLUE_GREEN, ("rest",), bake_seconds=60)),
        ("{replace: true, remove_first: true}", StrategySpec(StrategyKind.REPLACE, ("rest",), remove_first=True)),
        ("{replace: true, parallel: 2}", StrategySpec(StrategyKind.REPLACE, ("rest",), 2)),
        ("{canary: 1}", StrategySpec(waves=(1, "rest"))),
        ("{canary: 10 %, compare: x}", StrategySpec(waves=("10%", "rest"), compare=CompareSpec("x"))),
        ("{max_failures: 10%, parallel: 4}", StrategySpec(max_failures="10%", parallel=4)),
        (
            "{waves: [1, rest], bake: 5m, compare: {command: x, tolerance: 2}}",
            StrategySpec(waves=(1, "rest"), bake_seconds=300, compare=CompareSpec("x", 2.0)),
        ),
    ],
)
def test_a_strategy_in_a_word_or_in_many(text: str, expected: StrategySpec) -> None:
    assert strategy(text) == expected


@pytest.mark.parametrize(
    ("body", "line", "column", "key", "words"),
    [
        ("path: /srv/a", 7, 3, "deploy", "either `artifact` or `image` or `commands`"),
        (FILES + "commands: [x]", 7, 3, "deploy", "these keys exclude each other"),
        ("image: registry.example.org/kept\npath: /a\ncontainer: {name: a}", 7, 10, "deploy.image", f"one of {TAG}"),
        (f"image: {TAG}\npath: /srv/a", 7, 3, "deploy.container", "a mapping with `name`"),
        (FILES + "container: {name: shop}", 9, 3, "deploy.container", "without `image`"),
        (IMAGE + "shared: [var]", 10, 3, "deploy.shared", "without `artifact`"),
        ("commands: []\npath: /a", 7, 13, "deploy.commands", "a command, or a list of them"),
        ("commands: [x, 5]\npath: /a", 7, 17, "deploy.commands[1]", "quote it"),
        (IMAGE.replace("name: shop", "name: Shop"), 9, 21, "deploy.container.name", "small letters"),
        (IMAGE.replace("port: 8000", "port: 0"), 9, 33, "deploy.container.port", "from 1 to 65535"),
        (IMAGE.replace("port: 8000", "address: web-1"), 9, 36, "deploy.container.address", "an IPv4 address"),
        (IMAGE.replace("port: 8000", "address: 256.0.0.1"), 9, 36, "deploy.container.address", "an IPv4 address"),
        (IMAGE.replace("port: 8000", "network: host"), 9, 36, "deploy.container.network", "neither host nor none"),
        (IMAGE.replace("port: 8000", "volumes: [/etc]"), 9, 37, "deploy.container.volumes[0]", "a colon"),
        (IMAGE.replace("port: 8000", "volumes: ['a:/../b']"), 9, 37, "deploy.container.volumes[0]", "a colon"),
        (IMAGE.replace("port: 8000", "command: it's"), 9, 36, "deploy.container.command", "quotes that are closed"),
        (
            FILES + 'health: {url: "http://a:$SLIPWAY_PORT/"}',
            9,
            11,
            "deploy.health.url",
            "`port` in `deploy.container`",
        ),
        (FILES + "health: {command: x, answers: 0}", 9, 33, "deploy.health.answers", "from 1 to 100"),
        (FILES + "health: {command: x, interval: 2}", 9, 34, "deploy.health.interval", "90s"),
        (FILES + "requires: {disk: 5t}", 9, 20, "deploy.requires.disk", "500m"),
        (FILES + "requires: {tools: [a b]}", 9, 22, "deploy.requires.tools[0]", "a program"),
        (FILES + "requires: {sudo: maybe}", 9, 20, "deploy.requires.sudo", "true or false"),
        (FILES + "migrate: {irreversible: true}", 9, 12, "deploy.migrate.run", "missing"),
        (FILES + "migrate: [x]", 9, 12, "deploy.migrate", "a mapping with `run`"),
        (FILES + "hooks: {befor: x}", 9, 11, "deploy.hooks.befor", "did you mean `before`"),
        (FILES + "hooks: {before: []}", 9, 19, "deploy.hooks.before", "a command"),
        (FILES + "hooks: {after: [{once: true}]}", 9, 19, "deploy.hooks.after[0].run", "missing"),
        (FILES + "silence: never", 9, 12, "deploy.silence", "90s"),
        (FILES + "strategy: {remove_first: true}", 9, 28, "deploy.strategy.remove_first", "beside `replace: true`"),
        (FILES + "strategy: rolling", 9, 13, "deploy.strategy", "one of all_at_once, blue_green, replace"),
        (FILES + "strategy: {waves: 1, canary: 1}", 9, 13, "deploy.strategy", "exclude each other"),
        (FILES + "strategy: {canary: rest}", 9, 22, "deploy.strategy.canary", "a share such as 10%"),
        (FILES + "strategy: {max_failures: 101%}", 9, 28, "deploy.strategy.max_failures", "a share such as 10%"),
        (FILES + "strategy: {waves: rest, bake: 5m}", 9, 33, "deploy.strategy.bake", "no others are left"),
        (
            FILES + "strategy: {canary: 1, compare: {command: x, tolerance: 0}}",
            9,
            58,
            "deploy.strategy.compare.tolerance",
            "a number from 1 to 100",
        ),
    ],
)
def test_a_mistake_in_it_is_shown_at_its_line_column_and_key(
    body: str, line: int, column: int, key: str, words: str
) -> None:
    found = problem(body)
    assert (found.line, found.column, found.key_path) == (line, column, key)
    assert words in found.describe("f")


def test_an_environment_writes_its_strategy_in_the_same_words() -> None:
    assert strategy_of({"canary": "10%", "bake": "5m"}) == strategy("{canary: 10%, bake: 5m}")
    assert strategy_of("all_at_once") == strategy("all_at_once")


@pytest.mark.parametrize("stored", [{"wave": 1}, {"waves": []}, ["rest"], 5, "no", {"bake": 300}, None, ""])
def test_a_strategy_of_an_environment_that_is_none_is_refused_in_words(stored: Any) -> None:
    with pytest.raises(SpecError) as caught:
        strategy_of(stored)
    assert "expected" in str(caught.value)

"""The sh parts for images, each against a real engine."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import DockerClient

from pipelines.spec.installation import ContainerSpec
from runners.hosts.scripts import berths, engines
from runners.hosts.scripts.berths import Berth
from runners.hosts.scripts.engines import Login, Running
from runners.hosts.scripts.layout import Layout, render_environment
from runners.hosts.scripts.states import FREE_KILOBYTES
from tests.lab.containers import PORT, Bakery
from tests.lab.registry import Registry, registry

PASSWORD = "pa55 word"


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry"), "ada", PASSWORD) as one:
        yield one


@pytest.fixture(scope="module")
def bakery(private_registry: Registry, engine: DockerClient) -> Iterator[Bakery]:
    made = Bakery(engine, private_registry, "ada", PASSWORD)
    yield made
    made.forget()


@pytest.fixture
def layout(tmp_path: Path, bakery: Bakery) -> Iterator[Layout]:
    layout = Layout(str(tmp_path / "shop"))
    Path(layout.releases).mkdir(parents=True)
    yield layout
    bakery.clear(layout.path)


def sh(*parts: str, given: str = "", ends: int = 0) -> str:
    """Run parts as a host does; the words that it said."""
    done = subprocess.run(
        ["sh", "-c", "\n".join(("set -eu", *parts))],
        check=False,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == ends, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_berth(layout: Layout, image: str, release: int = 1, deploy: int = 0, **spec: object) -> Berth:
    """Its settings lie ready."""
    container = replace(ContainerSpec(Path(image.partition("@")[0]).name, PORT, stop_seconds=5), **spec)  # type: ignore[arg-type]
    berth = Berth(layout, container, image, release, deploy or release, 1)
    give(berth, {"COLOUR": "blue"})
    return berth


def give(berth: Berth, values: dict[str, str]) -> None:
    settings = Path(berth.settings)
    settings.mkdir(exist_ok=True)
    text, _ = engines.render_settings(values)
    (settings / f"{berth.name}.env").write_bytes(text)
    (settings / f"{berth.name}.lines").write_text("")


def pull(berth: Berth) -> str:
    host = berth.image.partition("/")[0]
    return sh(engines.FIND, engines.pull(berth.layout, berth.image, Login(host, "ada")), given=PASSWORD + "\n")


def start(berth: Berth, chosen: str = "") -> Running:
    found = engines.parse(sh(engines.FIND, berths.start(berth, chosen)))
    assert found
    return found


def ask(running: Running, path: str = "/") -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            with opener.open(f"http://127.0.0.1:{running.port}{path}", timeout=60) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            os.sched_yield()
            sh("sleep 0.05")
    raise AssertionError(f"{running} does not answer")


def ends(engine: DockerClient, container: str) -> str:
    return str(engine.containers.get(container).status)


def test_an_image_is_pulled_by_its_digest_and_the_password_stays_nowhere(layout: Layout, bakery: Bakery) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    missing = sh(FREE_KILOBYTES, engines.check(berth.image, 1000))
    assert "image=present" not in missing
    assert pull(berth).endswith("image=pulled\n")
    assert pull(berth) == "image=present\n"
    assert "image=present" in sh(FREE_KILOBYTES, engines.check(berth.image, 10**15))
    assert bakery.has(berth.image)
    left = [path for path in Path(layout.path).rglob("*") if path.is_file()]
    assert not [path for path in left if PASSWORD in path.read_text() or "auths" in path.read_text()]


def test_a_wrong_password_is_said_and_nothing_of_it_is_left(layout: Layout, bakery: Bakery) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    login = Login(bakery.registry.host, "ada")
    said = sh(engines.FIND, engines.pull(layout, berth.image, login), given="wrong-one\n", ends=engines.NO_IMAGE)
    assert f"signing in to {bakery.registry.host} as ada failed" in said
    assert "wrong-one" not in said
    assert not list(Path(layout.path).glob(".slipway-keys*"))


def test_an_image_without_room_is_refused(layout: Layout, bakery: Bakery) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    said = sh(FREE_KILOBYTES, engines.check(berth.image, 10**16), ends=75)
    assert "and the image needs" in said


def test_a_host_without_an_engine_says_so(layout: Layout) -> None:
    said = sh("PATH=/nowhere", engines.FIND, ends=77)
    assert "this host has no docker" in said


def test_containers_run_beside_each_other_at_ports_of_their_own(layout: Layout, bakery: Bakery) -> None:
    one, two = make_berth(layout, bakery.bake("one"), 1), make_berth(layout, bakery.bake("two"), 2)
    for berth in (one, two):
        pull(berth)
    first, second = start(one), start(two)
    assert (first.container, second.container) == (one.name, two.name)
    assert (first.image, second.image) == (one.digest, two.digest)
    assert first.port != second.port
    assert (ask(first), ask(second)) == ("one", "two")
    assert ask(first, "/env/COLOUR") == "blue"


def test_starting_again_finds_what_was_started(layout: Layout, bakery: Bakery, engine: DockerClient) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    first = start(berth)
    identity = engine.containers.get(first.container).id
    assert start(berth) == start(berth, first.container) == first
    assert engine.containers.get(first.container).id == identity


def test_a_port_that_is_taken_is_passed_over(layout: Layout, bakery: Bakery) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    first = start(berth)
    twin = make_berth(layout, berth.image, 2, deploy=berth.deploy + berths.PORTS)
    give(twin, {"COLOUR": "red"})
    second = start(twin)
    assert second.port != first.port
    assert ask(second, "/env/COLOUR") == "red"


def test_the_kept_container_starts_again_if_nothing_about_it_has_changed(
    layout: Layout, bakery: Bakery, engine: DockerClient
) -> None:
    one, two = make_berth(layout, bakery.bake("one"), 1), make_berth(layout, bakery.bake("two"), 2)
    for berth in (one, two):
        pull(berth)
    first = start(one)
    sh(berths.name_serving(one, first.container))
    second = start(two)
    sh(berths.name_serving(two, second.container))
    assert sh(engines.FIND, berths.retire(two, second.container)) == f"stopped {first.container}\n"
    assert "ended in peace" in engine.containers.get(first.container).logs().decode()

    back = start(make_berth(layout, one.image, 1, deploy=3))
    assert back == first
    sh(engines.FIND, berths.retire(one, second.container))
    rotated = make_berth(layout, one.image, 1, deploy=4)
    give(rotated, {"COLOUR": "green"})
    anew = start(rotated)
    assert anew.container == rotated.name
    assert ask(anew, "/env/COLOUR") == "green"


def test_the_one_that_serves_is_not_taken_for_a_kept_one(layout: Layout, bakery: Bakery) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    first = start(berth)
    sh(berths.name_serving(berth, first.container))
    again = start(make_berth(layout, berth.image, 1, deploy=2))
    assert again.container != first.container


def test_a_container_of_the_same_name_that_is_not_ours_is_left_alone(
    layout: Layout, bakery: Bakery, engine: DockerClient
) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    theirs = engine.containers.create(berth.image, name=berth.name)
    try:
        said = sh(engines.FIND, berths.start(berth), ends=berths.NOT_STARTED)
        assert "already in use" in said
        theirs.reload()
    finally:
        theirs.remove(force=True)


def test_a_container_of_another_deploy_of_that_number_makes_way_or_is_told(layout: Layout, bakery: Bakery) -> None:
    """As when a database was restored and its numbers come again."""
    old = replace(make_berth(layout, bakery.bake("one")), token="1")
    pull(old)
    start(old)
    new = replace(make_berth(layout, bakery.bake("two")), spec=old.spec, token="2")
    give(new, {"COLOUR": "green"})
    pull(new)
    running = start(new)
    assert (running.container, running.image) == (old.name, new.digest)
    assert start(new).container == running.container
    sh(berths.name_serving(new, running.container))
    newest = replace(new, token="3")
    give(newest, {"COLOUR": "red"})
    said = sh(engines.FIND, berths.start(newest), ends=berths.NOT_STARTED)
    assert "is of another deploy of that number, from before the database was restored: deploy again" in said
    assert ask(running)


def test_one_that_crashes_shows_its_last_words_and_goes(layout: Layout, bakery: Bakery, engine: DockerClient) -> None:
    berth = make_berth(layout, bakery.bake("broken", crashes=True))
    pull(berth)
    running = start(berth)
    sh(engines.FIND, berths.stays_up(running.container), ends=1)
    assert "no database" in sh(engines.FIND, berths.give_up(berth, running.container))
    assert not engine.containers.list(all=True, filters={"name": running.container})
    assert not list(Path(berth.settings).iterdir())
    sh(engines.FIND, berths.give_up(berth, running.container))


def test_the_one_that_serves_is_never_given_up(layout: Layout, bakery: Bakery, engine: DockerClient) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    running = start(berth)
    sh(berths.name_serving(berth, running.container))
    sh(engines.FIND, berths.give_up(berth, running.container))
    assert ends(engine, running.container) == "running"


def test_old_containers_and_images_go_and_never_one_that_runs_or_is_spared(
    layout: Layout, bakery: Bakery, engine: DockerClient
) -> None:
    made = [make_berth(layout, bakery.bake(f"v{number}"), number) for number in range(1, 6)]
    for berth in made:
        pull(berth)
        Path(layout.release(berth.release)).mkdir()
        sh(berths.note_image(berth))
        start(berth)
    last = made[-1]
    for berth in made[1:4]:
        engine.containers.get(berth.name).stop(timeout=1)
    sh(berths.name_serving(last, last.name))
    prune_releases = f"rm -r {layout.release(1)} {layout.release(3)} {layout.release(4)}"
    said = sh(engines.FIND, berths.prune(last, last.name, 1, [2], prune_releases))
    assert f"removed container {made[2].name}\n" in said
    assert f"removed image {made[2].image}\n" in said
    left = {berth.release for berth in made if engine.containers.list(all=True, filters={"name": berth.name})}
    assert left == {1, 2, 5}  # the first runs, whatever the record says
    assert [bakery.has(berth.image) for berth in made] == [True, True, False, False, True]


def test_what_serves_is_read_from_the_host(layout: Layout, bakery: Bakery, engine: DockerClient) -> None:
    assert engines.parse(sh(engines.read_serving(layout))) is None
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    running = start(berth)
    sh(berths.name_serving(berth, running.container))
    assert engines.parse(sh(engines.read_serving(layout))) == running
    engine.containers.get(running.container).stop(timeout=1)
    assert engines.parse(sh(engines.read_serving(layout))) == replace(running, is_up=False)
    engine.containers.get(running.container).remove()
    assert engines.parse(sh(engines.read_serving(layout))) == Running(running.container, None, "", is_up=False)


def test_settings_of_several_lines_and_all_characters_arrive_as_they_are(layout: Layout, bakery: Bakery) -> None:
    values = {"KEY": "first\nsecond 'x' \"y\" $HOME `id`", "ODD": "a b # c \"d\" 'e' $f \\g"}
    berth = replace(make_berth(layout, bakery.bake("one")), lines=("KEY",))
    pull(berth)
    text, lines = engines.render_settings(values)
    assert lines == ("KEY",)
    Path(berth.settings, f"{berth.name}.env").write_bytes(text)
    Path(berth.settings, f"{berth.name}.lines").write_bytes(render_environment({"KEY": values["KEY"]}))
    running = start(berth)
    assert {name: ask(running, f"/env/{name}") for name in values} == values
    seen = sh(engines.FIND, berths.one_off(berth, "look", 'printf %s "$KEY"'))
    assert seen == values["KEY"]


def test_a_command_in_a_container_of_its_own_is_gone_afterwards(
    layout: Layout, bakery: Bakery, engine: DockerClient
) -> None:
    berth = make_berth(layout, bakery.bake("one"))
    pull(berth)
    assert sh(engines.FIND, berths.one_off(berth, "migrate", 'echo "$COLOUR"; exit 3'), ends=3) == "blue\n"
    assert not engine.containers.list(all=True, filters={"name": f"{berth.name}-migrate"})
    sh(engines.FIND, berths.end_one_off(berth, "migrate"))


@pytest.mark.parametrize("command", ["python3 -u /shop.py 'two words'", ""])
def test_the_command_of_a_container_is_words(
    layout: Layout, bakery: Bakery, engine: DockerClient, command: str
) -> None:
    berth = make_berth(layout, bakery.bake("one"), command=command)
    pull(berth)
    running = start(berth)
    expected = ["python3", "-u", "/shop.py", *(["two words"] if command else [])]
    assert engine.containers.get(running.container).attrs["Config"]["Cmd"] == expected

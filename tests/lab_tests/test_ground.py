"""Who owns what in the engine, and what becomes of it."""

import pytest
from docker import DockerClient

from tests.lab.ground import LABEL, OWNER_LABEL, ground, sweep
from tests.lab.images import image


def parts_of(engine: DockerClient, name: str) -> list[object]:
    own: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={name}"}
    containers = engine.containers.list(all=True, filters=own)
    return [*containers, *engine.networks.list(filters=own), *engine.volumes.list(filters=own)]


def break_off(names: list[str]) -> None:
    with ground() as here:
        names.append(here.name)
        here.engine.containers.create(image("busybox", here.engine), name=here.name, labels=here.labels)
        here.engine.networks.create(here.name, labels=here.labels)
        here.engine.volumes.create(here.name, labels=here.labels)
        assert len(parts_of(here.engine, here.name)) == 3
        raise ZeroDivisionError


def test_a_lab_leaves_nothing_even_when_its_story_breaks(engine: DockerClient) -> None:
    names: list[str] = []
    with pytest.raises(ZeroDivisionError):
        break_off(names)
    assert parts_of(engine, names[0]) == []


def test_the_sweep_takes_the_dead_owners_parts_and_leaves_the_living(engine: DockerClient) -> None:
    with ground() as here:
        dead = f"{here.name}-dead"
        engine.volumes.create(dead, labels={LABEL: dead, OWNER_LABEL: "999999999:1"})
        engine.volumes.create(here.name, labels=here.labels)
        assert dead in sweep(engine)
        assert parts_of(engine, dead) == []
        assert len(parts_of(engine, here.name)) == 1

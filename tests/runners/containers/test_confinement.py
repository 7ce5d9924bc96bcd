"""What is asked of the engine for a stage's container, word for word."""

import dataclasses

import pytest

from runners.containers import service_body
from runners.containers.beside import ServicePlan
from runners.containers.confinement import container_body, labels_of, owner_of
from runners.containers.executor import ContainerPlan, Limits, Ownership
from runners.containers.script import WAIT

PLAN = ContainerPlan(
    owner=Ownership(run=11, stage=22, attempt=33),
    image="python:3.12",
    environ={"A": "b=c\nd"},
    limits=Limits(memory_bytes=1000, cpus=1.5, pids=99),
    seal="sealed",
)
LABELS = {
    "slipway.server": "abc",
    "slipway.run": "11",
    "slipway.stage": "22",
    "slipway.attempt": "33",
}


def test_a_container_is_confined_exactly_so() -> None:
    assert container_body("abc", PLAN, "network-id") == {
        "Image": "python:3.12",
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", WAIT],
        "Env": ["A=b=c\nd", "TINI_KILL_PROCESS_GROUP=1"],
        "User": "0:0",
        "WorkingDir": "/workspace",
        "Labels": LABELS | {"slipway.seal": "sealed"},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "HostConfig": {
            "Init": True,
            "NetworkMode": "network-id",
            "Memory": 1000,
            "MemorySwap": 1000,
            "CpuPeriod": 100_000,
            "CpuQuota": 150_000,
            "PidsLimit": 99,
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"],
            "SecurityOpt": ["no-new-privileges"],
            "IpcMode": "private",
            "Privileged": False,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "1p", "max-file": "1", "compress": "false", "mode": "blocking"},
            },
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "slipway-abc-22-33",
                    "Target": "/workspace",
                    "VolumeOptions": {"NoCopy": True, "Labels": LABELS},
                }
            ],
        },
    }


def test_a_stage_decides_nothing_about_its_container_but_image_environment_and_limits() -> None:
    names = [field.name for field in dataclasses.fields(ContainerPlan)]

    assert names == ["owner", "image", "environ", "limits", "access", "has_company", "privileged", "seal"]


def test_a_service_is_confined_as_a_stage_without_its_workspace() -> None:
    plan = ServicePlan(PLAN.owner, "db", "postgres:16", {"A": "b"}, ("postgres", "-c", "fsync=off"), PLAN.limits)
    body = service_body.body_of("abc", plan, "network-id")
    stage = container_body("abc", PLAN, "network-id")["HostConfig"]

    assert body["HostConfig"] == {key: value for key, value in stage.items() if key != "Mounts"}
    assert body["Labels"] == {**LABELS, "slipway.service": "db"}
    assert (body["Image"], body["Cmd"], body["Hostname"]) == ("postgres:16", ["postgres", "-c", "fsync=off"], "db")
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"network-id": {"Aliases": ["db"]}}}
    assert body["Healthcheck"] == {"Test": ["NONE"]}


def test_only_a_privileged_stage_is_unconfined_and_still_has_no_mount_and_no_name_space_of_the_machine() -> None:
    confined = container_body("abc", PLAN, "network-id")["HostConfig"]
    body = container_body("abc", dataclasses.replace(PLAN, privileged=True), "network-id")["HostConfig"]

    assert {key for key in body if body[key] != confined[key]} == {"Privileged", "CapDrop", "CapAdd", "SecurityOpt"}
    assert body["Privileged"] is True


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("3fa2", "3fa2:latest"),
        ("r.example:5000/x", "r.example:5000/x:latest"),
        ("python:3.12", "python:3.12"),
        ("x@sha256:00", "x@sha256:00"),
    ],
)
def test_an_image_is_asked_for_by_a_name_that_cannot_be_an_id(image: str, name: str) -> None:
    assert container_body("abc", dataclasses.replace(PLAN, image=image), "network-id")["Image"] == name


def test_labels_tell_the_owner_again() -> None:
    assert owner_of(labels_of("abc", PLAN.owner)) == PLAN.owner


def test_foreign_labels_are_no_owner() -> None:
    with pytest.raises(KeyError):
        owner_of({"slipway.server": "abc"})

"""What is asked of the engine for a stage's container, word for word."""

import dataclasses

import pytest

from runners.containers.confinement import container_body, labels_of, owner_of
from runners.containers.executor import ContainerPlan, Limits, Ownership

PLAN = ContainerPlan(
    owner=Ownership(run=11, stage=22, attempt=33, fence=44),
    image="python:3.12",
    environ={"A": "b=c\nd"},
    limits=Limits(memory_bytes=1000, cpus=1.5, pids=99),
)
LABELS = {
    "slipway.server": "abc",
    "slipway.run": "11",
    "slipway.stage": "22",
    "slipway.attempt": "33",
    "slipway.fence": "44",
}


def test_a_container_is_confined_exactly_so() -> None:
    assert container_body("abc", PLAN, "network-id") == {
        "Image": "python:3.12",
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["/slipway/main"],
        "Env": ["A=b=c\nd", "TINI_KILL_PROCESS_GROUP=1"],
        "User": "0:0",
        "WorkingDir": "/workspace",
        "Labels": LABELS,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "AttachStdin": False,
        "OpenStdin": False,
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
                    "Source": "slipway-abc-33",
                    "Target": "/workspace",
                    "VolumeOptions": {"NoCopy": True, "Labels": LABELS},
                }
            ],
        },
    }


def test_a_stage_decides_nothing_about_its_container_but_image_environment_and_limits() -> None:
    assert [field.name for field in dataclasses.fields(ContainerPlan)] == ["owner", "image", "environ", "limits"]


def test_labels_tell_the_owner_again() -> None:
    assert owner_of(labels_of("abc", PLAN.owner)) == PLAN.owner


def test_foreign_labels_are_no_owner() -> None:
    with pytest.raises(KeyError):
        owner_of({"slipway.server": "abc"})

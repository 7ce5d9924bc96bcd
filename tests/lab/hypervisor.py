"""What stands behind the cloud's API: a machine with sshd for every instance that it says is running."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.cloud import Cloud
from tests.lab.sshd import Sshd, start_sshd

_LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Hypervisor:
    """Machines by instance id; those of instances that were terminated are off."""

    cloud: Cloud
    directory: Path
    port: int
    private_key: str
    public_key: str
    on_start: Callable[[Sshd], None]
    machines: dict[str, Sshd] = field(default_factory=dict)

    def follow(self) -> None:
        """Bring the machines in line with what the API says."""
        running = self._running()
        for number, address in running.items():
            if number not in self.machines:
                self.machines[number] = self._start(number, address)
        for number in self.machines.keys() - running.keys():
            self.machines[number].stop()

    def _start(self, number: str, address: str) -> Sshd:
        made = start_sshd(
            self.directory / number,
            private_key=self.private_key,
            public_key=self.public_key,
            host=address,
            port=self.port,
        )
        self.on_start(made)
        return made

    def _running(self) -> Mapping[str, str]:
        found = self.cloud.client.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
        instances = [one for reservation in found["Reservations"] for one in reservation.get("Instances", [])]
        return {one["InstanceId"]: one["PrivateIpAddress"] for one in instances}


@contextlib.contextmanager
def hypervisor(
    cloud: Cloud,
    directory: Path,
    port: int,
    *,
    private_key: str,
    public_key: str,
    on_start: Callable[[Sshd], None] = lambda machine: None,
) -> Iterator[Hypervisor]:
    """Follow the API until the end; then all machines are off."""
    made = Hypervisor(cloud, directory, port, private_key, public_key, on_start)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            made.follow()

    made.follow()
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield made
    finally:
        over.set()
        watching.join()
        for machine in made.machines.values():
            machine.stop()

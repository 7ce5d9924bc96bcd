"""Pure: the script by which a host says all that an inspection wants to know, and how that differs from the record."""

import re
from dataclasses import dataclass
from shlex import quote

from runners.hosts.health import HealthCheck, ask_command
from runners.hosts.scripts import commands, engines, states
from runners.hosts.scripts.engines import Running
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.states import HostState

FILES_NAMED = 20
LAST_WORDS = 300

_FACTS = """\
( . /etc/os-release 2>/dev/null; echo "os=${PRETTY_NAME:-$(uname -s)}" )
echo "kernel=$(uname -r)"
echo "machine=$(uname -m)\""""

_UPTIME = "{ read -r up rest < /proc/uptime; } 2>/dev/null || up=; echo"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the record says of a host. `environment` is the SHA-256 of its configuration file in hex, if that is known;
    `fence` the highest that this server ever gave out for it; `has_container`, that a container serves the release."""

    release: int
    digest: str
    fence: int
    environment: str = ""
    has_container: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to one question for health; `answer_ms` is how long it took there."""

    good: bool
    detail: str
    answer_ms: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a host said. `changed` are files of the release that are not as they were shipped."""

    state: HostState
    changed: tuple[str, ...]
    environment: str
    container: Running | None
    health: Health | None
    facts: dict[str, str]

    @property
    def is_blank(self) -> bool:
        """Nothing was ever deployed here."""
        return self.state.current is None and self.state.marker is None


def script(layout: Layout, release: int, question: HealthCheck | None, mark: str) -> str:
    """Print the sections that `parse` reads, each after a line with `mark`. Changes nothing; needs no lock."""
    health = [("health", _asked(layout, question))] if question else []
    sections = [
        ("state", states.read_state(layout)),
        ("container", engines.read_serving(layout)),
        ("environment", f"sha256sum < {quote(layout.current)}/.env 2>/dev/null"),
        ("facts", _FACTS),
        ("files", commands.changed_files(layout, release, FILES_NAMED + 1)),
        *health,  # the last: one that hangs takes nothing else along
    ]
    return "\n".join([*(f"echo; echo {mark} {name}\n(\n{part}\n) < /dev/null" for name, part in sections), "exit 0"])


def parse(text: str, mark: str) -> Reading:
    """Read what `script` printed, or its beginning; what never came is as if the host had none of it."""
    pieces = re.split(rf"^{re.escape(mark)} (\w+)\n", text, flags=re.MULTILINE)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=False))
    environment = re.match(r"[0-9a-f]{64}", found.get("environment", ""))
    facts = dict(line.partition("=")[::2] for line in found.get("facts", "").splitlines() if "=" in line)
    return Reading(
        state=states.parse_state(found.get("state", "")),
        changed=tuple(line for line in found.get("files", "").splitlines() if line),
        environment=environment[0] if environment else "",
        container=engines.parse(found.get("container", "")),
        health=_health(found["health"]) if "health" in found else None,
        facts={name: value[:100] for name, value in facts.items() if name in ("os", "kernel", "machine")},
    )


def differences(expected: Expected, found: Reading) -> list[dict[str, str]]:
    """Where a host differs from the record: {what, detail} each, the gravest first; empty when it does not."""
    told = [*_of_release(expected, found), *_of_marker(expected, found)]
    if expected.has_container:
        told += _of_container(expected, found.container)
    if expected.environment and found.environment != expected.environment:
        detail = "is not what was deployed" if found.environment else "is missing"
        told.append(("configuration", f"the configuration file .env {detail}"))
    told += [("file", f"{name} was changed or removed") for name in found.changed[:FILES_NAMED]]
    if len(found.changed) > FILES_NAMED:
        told.append(("file", "and more files"))
    return [{"what": what, "detail": detail} for what, detail in told]


def _of_release(expected: Expected, found: Reading) -> list[tuple[str, str]]:
    state = found.state
    if state.current is None:
        return [("release", f"`current` leads to no release; the record says {expected.release}")]
    if state.current != expected.release:
        return [("release", f"`current` leads to release {state.current}; the record says {expected.release}")]
    if state.digest != expected.digest:
        said = state.digest[:12] or "none"
        return [("digest", f"release {expected.release} has the digest {said}; the record says {expected.digest[:12]}")]
    return []


def _of_marker(expected: Expected, found: Reading) -> list[tuple[str, str]]:
    marker, told = found.state.marker, []
    if marker is None:
        told.append(("marker", "the marker .slipway-release is missing or cannot be read"))
    elif (marker.release, marker.digest) != (expected.release, expected.digest):
        told.append(("marker", f"the marker names release {marker.release}, digest {marker.digest[:12]}"))
    if found.state.fence > expected.fence:
        told.append(("fence", f"fence {found.state.fence} is there, above our {expected.fence}: another server's"))
    return told


def _of_container(expected: Expected, container: Running | None) -> list[tuple[str, str]]:
    if container is None:
        return [("container", "no container serves the release")]
    if not container.is_up:
        return [("container", f"the container {container.container} does not run")]
    if container.image != expected.digest:
        said = container.image[:12] or "none"
        return [("image", f"{container.container} runs the image {said}; the record says {expected.digest[:12]}")]
    return []


def _asked(layout: Layout, question: HealthCheck) -> str:
    """The time before and after, in seconds, and the status, each on a line of its own."""
    return f'{_UPTIME} "at=$up"\n(\n{ask_command(question)}\n)\nstatus=$?\n{_UPTIME} "\nat=$up"\necho "status=$status"'


def _health(text: str) -> Health:
    times = [float(at) for at in re.findall(r"^at=([0-9.]+)$", text, flags=re.MULTILINE)]
    status = re.search(r"^status=(\d+)\s*\Z", text, flags=re.MULTILINE)
    said = " ".join(re.sub(r"^(at|status)=[0-9.]*$", "", text, flags=re.MULTILINE).split())[-LAST_WORDS:]
    if status is None:
        return Health(False, said or "no answer came in time", None)
    took = round((times[-1] - times[0]) * 1000) if len(times) > 1 else None
    return Health(status[1] == "0", said or f"status {status[1]}", took)

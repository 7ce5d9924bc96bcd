"""Pure: the POSIX sh parts that run a release's container beside the one before it, and keep that for the way back.

Each may be repeated and comes after `engines.FIND`. A container bears labels that say whose it is; nothing is done to
one that has not. Which one has the traffic stands in a file, since only a switch decides it.
"""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from pipelines.spec.installation import ContainerSpec
from runners.hosts.scripts.commands import CUT_OFF
from runners.hosts.scripts.layout import Layout

NOT_STARTED = 83
LOG_LINES, LOG_BYTES = 50, 8000
# Below those that the host's own connections take, so that a container finds its port free after a restart as well.
FIRST_PORT, PORTS, TRIES = 20_000, 10_000, 50

_ASKING = """\
serving=; { read -r serving < "$path/.slipway-container"; } 2>/dev/null || true
label() { "$engine" inspect --type container --format "{{index .Config.Labels \\"slipway.$2\\"}}" "$1" 2>/dev/null; }
is_ours() { [ "$(label "$1" path)" = "$path" ]; }
is_up() { [ "$("$engine" inspect --type container --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }
ours="label=slipway.path=$path"
listed() { "$engine" ps --filter "$ours" --filter label=slipway.image --format '{{.Names}}' "$@"; }"""

_STARTING = f"""\
not_started() {{
  ! is_ours "$mine" || "$engine" rm -f "$mine" > /dev/null 2>&1 || true
  echo "the new container does not start: $said"; exit {NOT_STARTED}
}}
is_same() {{ for kind in env lines; do cmp -s "$settings/$1.$kind" "$settings/$mine.$kind" || return 1; done; }}
foreign=
may_be() {{
  if [ "$1" = "$chosen" ]; then return; fi
  if [ "$1" != "$mine" ]; then [ "$1" != "$serving" ] && is_same "$1"; return; fi
  [ "$(label "$1" token) $(label "$1" image)" = "$token $image" ] || {{ foreign=yes; return 1; }}
}}
make_way() {{
  if [ "$mine" = "$serving" ]; then
    rm -f "$settings/$mine".*
    echo "$mine, which serves here, is of another deploy of that number, from before the database was restored: \
deploy again, the next number may be free"; exit {NOT_STARTED}
  fi
  "$engine" rm -f "$mine" > /dev/null
}}
start() {{ create "$@" && said=$("$engine" start "$mine" 2>&1); }}
start_at_a_port() {{
  taken=" $("$engine" ps --all --filter label=slipway.port --format '{{{{.Label "slipway.port"}}}}' | tr '\\n' ' ') "
  said='no port is free' tries={TRIES:d}
  while [ "$tries" -gt 0 ]; do
    case "$taken" in *" $port "*) ;; *)
      if start --publish "$address:$port:$inside" --label "slipway.port=$port"; then return; fi
      case "$said" in *'already allocated'*|*'already in use'*) "$engine" rm -f "$mine" > /dev/null;;
      *) not_started;; esac;;
    esac
    port=$((port + 1)) tries=$((tries - 1)); [ "$port" -lt {FIRST_PORT + PORTS:d} ] || port={FIRST_PORT:d}
  done
  not_started
}}"""

_CHOOSE = """\
name=
same="--filter label=slipway.image=$image --filter label=slipway.options=$options"
for each in $chosen "$mine" $(listed --all $same)
do if is_ours "$each" && may_be "$each"; then name=$each; break; fi; done
if [ -n "$name" ] && ! is_up "$name"; then
  "$engine" start "$name" > /dev/null 2>&1 || { [ "$name" != "$mine" ] || "$engine" rm -f "$mine" > /dev/null; name=; }
fi
if [ -z "$name" ]; then name=$mine; [ -z "$foreign" ] || make_way; begin; fi
[ "$name" = "$mine" ] || rm -f "$settings/$mine".*
echo "container=$name"; echo "port=$(label "$name" port)"; echo "image=$(label "$name" image)\""""


@dataclass(frozen=True, slots=True)
class Berth:
    """A release's container on a host. `deploy` is the number that its name bears; `image` is `name@sha256:…`;
    `token` tells the deploy from another one of that number; `lines` are the names of those settings that have several
    lines, which no environment file can hold."""

    layout: Layout
    spec: ContainerSpec
    image: str
    release: int
    deploy: int
    fence: int
    token: str = "0"
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.spec.name}-{self.deploy:d}"

    @property
    def digest(self) -> str:
        return self.image.rpartition(":")[2]

    @property
    def settings(self) -> str:
        """The directory with what containers were given as settings: `<container>.env` and `<container>.lines`."""
        return f"{self.layout.path}/.slipway-containers"


def receive_settings(berth: Berth, lines: int, several: int) -> str:
    """Take the container's settings from the input: so many lines for its environment file, and so many for what no
    environment file can hold."""
    return "\n".join(
        (
            f"umask 077; mkdir -p {quote(berth.settings)}; chmod 700 {quote(berth.settings)}",
            "receive() {",
            '  left=$1; while [ "$left" -gt 0 ] && IFS= read -r line; do',
            "    printf '%s\\n' \"$line\"; left=$((left - 1)); done",
            f"  [ \"$left\" = 0 ] || {{ echo 'the settings did not arrive whole' >&2; exit {CUT_OFF}; }}",
            "}",
            *(
                f"receive {count:d} > {quote(f'{berth.settings}/{berth.name}.{kind}')}"
                for kind, count in (("env", lines), ("lines", several))
            ),
            "umask 022",
        )
    )


def start(berth: Berth, chosen: str = "") -> str:
    """Start the release's container beside the one that serves, and print which and at which port of the host.

    `chosen` is what this deploy started before, if it did. Else one that is kept from an earlier deploy is taken if it
    was made from the same image, options and settings; else a new one is made.
    """
    begin = "start_at_a_port" if berth.spec.port else "start || not_started"
    return "\n".join(
        (
            _known(berth),
            f"chosen={quote(chosen)} image={berth.digest} options={_hash(berth)} token={quote(berth.token)}",
            f"port={FIRST_PORT + berth.deploy * 7 % PORTS:d}",
            f"address={berth.spec.address} inside={berth.spec.port or 0:d}",
            _STARTING,
            _create(berth),
            f"begin() {{ {begin}; }}",
            _CHOOSE,
        )
    )


def one_off(berth: Berth, name: str, command: str) -> str:
    """Run a command in a container of the new image that is gone afterwards."""
    return "\n".join(
        (
            _known(berth),
            f"once=$mine-{name}",
            '! is_ours "$once" || "$engine" rm -f "$once" > /dev/null',
            'set -a; . "$settings/$mine.lines"; set +a',
            f'exec "$engine" run --rm --init --name "$once" {_given(berth)} --entrypoint sh {quote(berth.image)}'
            f" -c {quote(command)}",
        )
    )


def end_one_off(berth: Berth, name: str) -> str:
    """The engine's part of a command that was cancelled or took too long."""
    return f'"$engine" rm -f {quote(f"{berth.name}-{name}")} > /dev/null 2>&1 || true'


def stays_up(container: str) -> str:
    """Ends with 0 if the container runs and has not been restarted, now and a second from now."""
    told = "{{.State.Running}} {{.RestartCount}}"
    return f"sleep 1; [ \"$(\"$engine\" inspect --type container --format '{told}' {quote(container)})\" = 'true 0' ]"


def give_up(berth: Berth, container: str) -> str:
    """Print the last lines of a container that did not become healthy, and end it: one that this deploy made goes, one
    that was kept is stopped. Never the one that serves."""
    return "\n".join(
        (
            _known(berth),
            f"name={quote(container)}",
            'if is_ours "$name" && [ "$serving" != "$name" ]; then',
            f'  "$engine" logs --tail {LOG_LINES:d} "$name" 2>&1 | tail -c {LOG_BYTES:d}',
            '  if [ "$name" = "$mine" ]; then "$engine" rm -f "$name" > /dev/null; rm -f "$settings/$name".*',
            f'  else "$engine" stop -t {berth.spec.stop_seconds:d} "$name" > /dev/null; fi',
            "fi",
        )
    )


def name_serving(berth: Berth, container: str) -> str:
    """Write down which container has the traffic from now on; one rename."""
    file = quote(f"{berth.layout.path}/.slipway-container")
    return f"echo {quote(container)} > {file}.new; mv -f {file}.new {file}"


def retire(berth: Berth, container: str) -> str:
    """Stop every other container of the application, in its own time; it is kept for the way back."""
    return "\n".join(
        (
            _known(berth),
            "for each in $(listed); do",
            f'  [ "$each" != {quote(container)} ] || continue',
            f'  "$engine" stop -t {berth.spec.stop_seconds:d} "$each" > /dev/null; echo "stopped $each"',
            "done",
        )
    )


def prune(berth: Berth, container: str, keep: int, never: Sequence[int], prune_releases: str) -> str:
    """Remove old containers, then old releases by `prune_releases`, then the images that those had; print what went.

    Never one that runs, nor one of the releases named, nor an image that any container still has.
    """
    spared = " ".join(str(number) for number in never)
    return "\n".join(
        (
            _known(berth),
            "count=1",
            "for each in $(listed --all --filter status=exited --filter status=created --filter status=dead); do",
            f'  [ "$each" != {quote(container)} ] || continue',
            f'  count=$((count + 1)); [ "$count" -gt {keep:d} ] || continue',
            f'  case \' {spared} \' in *" $(label "$each" release) "*) continue;; esac',
            '  "$engine" rm "$each" > /dev/null; rm -f "$settings/$each".*; echo "removed container $each"',
            "done",
            f"images() {{ cat {quote(berth.layout.releases)}/[0-9]*/.slipway-image 2>/dev/null | sort -u; }}",
            "before=$(images)",
            f"( {prune_releases}\n)",
            "after=\" $(images | tr '\\n' ' ') \"",
            "for image in $before; do",
            '  case "$after" in *" $image "*) continue;; esac',
            '  ! "$engine" rmi "$image" > /dev/null 2>&1 || echo "removed image $image"',
            "done",
        )
    )


def note_image(berth: Berth) -> str:
    """The release's directory says which image it is."""
    return f"echo {quote(berth.image)} > {quote(berth.layout.release(berth.release))}/.slipway-image"


def _known(berth: Berth) -> str:
    return (
        f"path={quote(berth.layout.path)} settings={quote(berth.settings)} mine={quote(berth.name)}\n"
        f'if [ -z "${{engine:-}}" ]; then echo "no engine"; exit 1; fi\n{_ASKING}'
    )


def _create(berth: Berth) -> str:
    """Defines `create`. Values of several lines reach the engine's program as variables, by their names alone."""
    labels = {
        "release": str(berth.release),
        "deploy": str(berth.deploy),
        "fence": str(berth.fence),
        "token": quote(berth.token),
        "image": berth.digest,
        "options": _hash(berth),
    }
    told = " ".join(f"--label=slipway.{key}={value}" for key, value in labels.items())
    command = " ".join(map(quote, shlex.split(berth.spec.command)))
    return "\n".join(
        (
            'create() { said=$(set -a; . "$settings/$mine.lines"; set +a',
            f'  exec "$engine" create --name "$mine" --restart unless-stopped {told} {_given(berth)} "$@"'
            f" {quote(berth.image)} {command} 2>&1) || not_started",
            "}",
        )
    )


def _given(berth: Berth) -> str:
    lines = [f"--env={name}" for name in berth.lines]
    return " ".join(
        ('--label="slipway.path=$path" --env-file "$settings/$mine.env"', *map(quote, _options(berth.spec)), *lines)
    )


def _options(spec: ContainerSpec) -> list[str]:
    network = [f"--network={spec.network}"] if spec.network else []
    return [*(f"--volume={volume}" for volume in spec.volumes), *network]


def _hash(berth: Berth) -> str:
    """Of how the container runs, settings aside."""
    spec = berth.spec
    told = (*_options(spec), f"{spec.address}:{spec.port}", spec.command)
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]

"""What the runs of these tests do, and what each of them must have left in the end."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults.points import Work

SECRET_NAME, SECRET = "TOKEN", "correct-horse-battery-staple"
LINES, MIGRATION_LINES = 30, 20
_ENDS = {Work.FAILS: ("failed", 7), Work.STOPPED: ("cancelled", 143)}

# A hit on a counter outside tells how often the container ran. The pauses cut the output into several chunks.
_SPEC = """\
image: "@IMAGE@"
stages:
@BEFORE@  work:
    secrets: [@SECRET@]
    steps:
      - |
        gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
        wget -q -O /dev/null "http://$gateway:@COUNTER@/@CALL@"
        i=1
        while [ $i -le @LINES@ ]; do
          echo "line $i"
          [ $((i % 10)) -ne 0 ] || sleep @PAUSE@
          i=$((i + 1))
        done
        printf 'signed %s, without an end' "$@SECRET@"
      - mkdir dist; echo @KEY@ | tee dist/app kept; @FATE@; printf 'the last word'; exit @CODE@
    artifacts: [dist/, kept]
"""
_BEFORE = """\
  first:
    steps: [sleep 1.5]
"""
_DEPLOY = """\
deploy:
  artifact: dist/
  path: /srv/@SLUG@
  migrate: |
    echo "$SLIPWAY_RELEASE" >>../../migrations
    i=1; while [ $i -le @MIGRATION@ ]; do echo "migrating $i"; i=$((i + 1)); sleep @REST@; done
  activate: echo "$SLIPWAY_RELEASE" >>../../activations; echo activating
  health: {command: test -f healthy, timeout: 2s}
"""
# Longer than a worker sits through.
_STRATEGY = """\
  strategy: {waves: [1, rest], bake: 21s}
"""


@dataclass(frozen=True, slots=True)
class Task:
    """One commit: what it does, under a key that nothing else has; `slug` names its branch and its environment.

    Its stage `work` prints for `seconds`, its migration for `migration_seconds`.
    """

    key: str
    slug: str
    work: Work = Work.PASSES
    seconds: float = 0.6
    migration_seconds: float = 0.4

    @property
    def call(self) -> str:
        """What its container asks of the counter."""
        return re.sub(r"\W+", "-", self.key)

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.slug}"

    @property
    def is_shipped(self) -> bool:
        return self.work in (Work.SHIPS, Work.BREAKS, Work.BAKES)

    @property
    def verdict(self) -> str:
        return _ENDS.get(self.work, ("succeeded", 0))[0]

    @property
    def exit_code(self) -> int:
        """What its stage ends with."""
        return _ENDS.get(self.work, ("succeeded", 0))[1]

    @property
    def deploy_verdict(self) -> str:
        return "failed" if self.work is Work.BREAKS else "succeeded"

    @property
    def log(self) -> bytes:
        """What its stage prints, the secret masked."""
        lines = "".join(f"line {number}\n" for number in range(1, LINES + 1))
        return f"{lines}signed ***, without an end{self.key}\nthe last word".encode()

    def spec(self, image: str, counter_port: int) -> str:
        """Its pipeline file."""
        values = {
            "IMAGE": image,
            "COUNTER": str(counter_port),
            "SECRET": SECRET_NAME,
            "KEY": self.key,
            "CALL": self.call,
            "SLUG": self.slug,
            "LINES": str(LINES),
            "REST": f"{self.migration_seconds / MIGRATION_LINES:.2f}",
            "PAUSE": f"{self.seconds / 3:.2f}",
            "MIGRATION": str(MIGRATION_LINES),
            "FATE": "true" if self.work is Work.BREAKS else "touch dist/healthy",
            "CODE": str(self.exit_code),
        }
        before = _BEFORE if self.work is Work.CHAINS else ""
        deploy = (_DEPLOY if self.is_shipped else "") + (_STRATEGY if self.work is Work.BAKES else "")
        return _filled((_SPEC + deploy).replace("@BEFORE@", before), values)


def migration_output() -> bytes:
    """What the migration of a release prints."""
    return "".join(f"migrating {number}\n" for number in range(1, MIGRATION_LINES + 1)).encode()


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text

"""What the fixture `after` gives."""

from collections.abc import Callable

from runners.containers.executor import Container

After = Callable[[str], Container]

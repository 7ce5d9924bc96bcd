"""Nodes to checked values: each reader here returns a usable value or notes what was expected, and goes on."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from pipelines.spec.errors import MAX_PROBLEMS, Problem
from pipelines.spec.nodes import Mapping, Node, Scalar, Source
from pipelines.spec.nodes import Sequence as ListNode

KEYS: dict[str, tuple[str, ...]] = {
    "": ("image", "env", "stages", "deploy"),
    "stage": ("image", "steps", "needs", "when", "env", "secrets", "artifacts", "timeout"),
    "step": ("name", "run"),
    "when": ("branch", "tag", "event"),
    "deploy": ("artifact", "path", "shared", "migrate", "activate", "health", "strategy"),
    "health": ("url", "command", "timeout"),
    "strategy": ("waves", "parallel", "max_failures"),
}
"""Every key the language has, by the mapping it stands in."""

MAX_TIMEOUT_SECONDS = 24 * 3600
MAX_TEXT = 32 * 1024
MAX_ENV_NODES = 528  # 200 names, 200 values, 32 KiB of text

STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
GLOB = re.compile(r"(?!refs/)[^-!\[\]{}\\^~:\s][^\[\]{}\\^~:\s]{0,199}")
HOST_PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+")
HEALTH_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[!-~]*)?")
DURATION = re.compile(r"(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
IMAGE_EXPECTED = "an image name such as python:3.12"
RESERVED_ENV = "SLIPWAY_"
ENV_EXPECTED = f"a name of letters, digits and _ that does not start with a digit nor with {RESERVED_ENV}"
WAVE_SHARE = re.compile(r"([1-9]\d?|100) ?%")

T = TypeVar("T")


class Reader:
    """Reads values out of nodes and gathers every problem met on the way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def note(self, node: Node, key: str, message: str, expected: str = "") -> None:
        self.problems.append(self.source.problem(node.line, node.column, key, message, expected))

    def mapping(self, node: Node | None, key: str, known: Sequence[str], expected: str) -> Mapping | None:
        """The node if it is a mapping, with a problem for each key that is not `known`."""
        if node is None:
            return None
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", expected)
            return None
        for name, _ in node.entries:
            if name.text not in known:
                self._unknown(name, join(key, name.text), known)
        return node

    def _unknown(self, name: Scalar, key: str, known: Sequence[str]) -> None:
        self.note(name, key, "unknown key" + self.hint(name.text, known), "one of " + ", ".join(known))

    def hint(self, text: str, known: Sequence[str]) -> str:
        """A question for the known name that was probably meant; none once the list of problems is full."""
        if len(self.problems) >= MAX_PROBLEMS:
            return ""
        near = get_close_matches(text[:50].lower(), known, n=1, cutoff=0.6)
        return f"; did you mean `{near[0]}`?" if near else ""

    def text(self, node: Node | None, key: str, expected: str) -> str | None:
        """A text that is not empty. What YAML takes for a number or a boolean must be quoted: 3.10 is 3.1."""
        if node is None:
            return None
        if not isinstance(node, Scalar) or (node.plain and node.kind == "nothing"):
            self.note(node, key, f"this is {node.kind}", expected)
        elif node.kind != "text":
            self.note(node, key, f"YAML reads {clip(node.text)} as {node.kind}; quote it", f'"{node.text[:60]}"')
        elif not node.text.strip():
            self.note(node, key, "this is empty", expected)
        elif len(node.text) > MAX_TEXT:
            self.note(node, key, f"this has {len(node.text):,} characters", f"at most {MAX_TEXT:,}")
        else:
            return node.text
        return None

    def matching(self, node: Node | None, key: str, pattern: re.Pattern[str], expected: str) -> str | None:
        """A text of which the whole matches."""
        text = self.text(node, key, expected)
        if node is None or text is None or pattern.fullmatch(text):
            return text
        self.note(node, key, f"{clip(text)} does not fit", expected)
        return None

    def listing(
        self, node: Node | None, key: str, read: Callable[[Node, str], T | None], expected: str
    ) -> tuple[T, ...]:
        """Each item of a list through `read`; items that were refused are left out. No node is no items."""
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            self.note(node, key, f"this is {node.kind}", expected)
            return ()
        values = [read(item, f"{key}[{index}]") for index, item in enumerate(node.items)]
        return tuple(value for value in values if value is not None)

    def distinct(
        self, node: Node | None, key: str, read: Callable[[Node, str], str | None], expected: str
    ) -> tuple[str, ...]:
        """A list of texts in which each stands once."""
        seen: set[str] = set()

        def read_new(item: Node, item_key: str) -> str | None:
            text = read(item, item_key)
            if text is not None and text in seen:
                self.note(item, item_key, f"{clip(text)} stands twice", "each once")
                return None
            seen.add(text or "")
            return text

        return self.listing(node, key, read_new, expected)

    def one_or_list(
        self, node: Node | None, key: str, read: Callable[[Node, str], str | None], expected: str
    ) -> tuple[str, ...]:
        """A single text is a list of one; an empty list is refused, since it would match nothing."""
        if isinstance(node, ListNode) and not node.items:
            self.note(node, key, "this list is empty", expected)
        if node is None or isinstance(node, ListNode):
            return self.distinct(node, key, read, expected)
        text = read(node, key)
        return () if text is None else (text,)

    def whole(self, node: Node | None, key: str, low: int, high: int, default: int) -> int:
        """A whole number within bounds."""
        if node is None:
            return default
        number = plain_number(node)
        if number is None or not low <= number <= high:
            self.note(node, key, f"{shown(node)} does not fit", f"a whole number from {low} to {high}")
            return default
        return number

    def duration(self, node: Node | None, key: str, default: int) -> int:
        """Seconds of a text such as `90s`, `20m` or `1h30m`; from one second to a day."""
        expected = "a time such as 90s, 20m or 1h30m, at most 24h"
        if node is None:
            return default
        found = DURATION.fullmatch(node.text) if isinstance(node, Scalar) else None
        if found is None:
            self.note(node, key, f"{shown(node)} does not fit", expected)
            return default
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total = hours * 3600 + minutes * 60 + seconds
        if not 1 <= total <= MAX_TIMEOUT_SECONDS:
            self.note(node, key, f"{shown(node)} does not fit", expected)
            return default
        return total

    def inner_path(self, node: Node, key: str) -> str | None:
        """A path below the workspace or the release: relative, no way out, no pattern; a last `/` may stay."""
        expected = "a path inside the workspace such as dist/, without .. and not absolute"
        text = self.text(node, key, expected)
        if text is None:
            return None
        parts = text.removesuffix("/").split("/")
        if text.startswith(("/", "-", "~")) or {"", ".", "..", ".git"} & set(parts):
            self.note(node, key, f"{clip(text)} does not fit", expected)
            return None
        if len(text) > 500 or re.search(r"[*?\[\]\\\n]", text):
            self.note(node, key, f"{clip(text)} does not fit", "one path, without * ? [ ] or backslash")
            return None
        return text

    def image(self, node: Node | None, key: str) -> str | None:
        return self.matching(node, key, IMAGE, IMAGE_EXPECTED)

    def env(self, node: Node | None, key: str) -> dict[str, str]:
        """Values are taken as they are written, so 3.10 stays 3.10; only an empty one must be quoted."""
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            self.note(node, key, f"this is {node.kind}", "a mapping of names to texts")
            return {}
        if sum(name.nodes + value.nodes for name, value in node.entries) > MAX_ENV_NODES:
            self.note(node, key, "these are too many or too long variables", "at most 200, 32 KiB together")
            return {}
        return {
            name.text: value.text
            for name, value in node.entries
            if self.env_name(name, join(key, name.text)) and self._env_value(value, join(key, name.text))
            if isinstance(value, Scalar)
        }

    def env_name(self, node: Node, key: str) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        if ENV_NAME.fullmatch(text) and not text.startswith(RESERVED_ENV):
            return text
        self.note(node, key, f"{shown(node)} does not fit as a variable's name", ENV_EXPECTED)
        return None

    def _env_value(self, node: Node, key: str) -> bool:
        if not isinstance(node, Scalar) or node.kind == "nothing":
            self.note(node, key, f"this is {node.kind}", 'a text; "" for an empty one')
        elif len(node.text) > MAX_TEXT:
            self.note(node, key, f"this has {len(node.text):,} characters", f"at most {MAX_TEXT:,}")
        else:
            return True
        return False


def plain_number(node: Node) -> int | None:
    """The number that an unquoted scalar of up to nine digits stands for."""
    if isinstance(node, Scalar) and node.plain and re.fullmatch(r"0|[1-9]\d{0,8}", node.text):
        return int(node.text)
    return None


def join(key: str, name: str) -> str:
    """The path of a key below another; long names are cut, the line and column still find them."""
    name = name[:50]
    return f"{key}.{name}" if key else name


def clip(text: str) -> str:
    """A quoted text of a length that fits into a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def shown(node: Node) -> str:
    """What to call a node in a message."""
    return clip(node.text) if isinstance(node, Scalar) and node.text else f"{node.kind}"

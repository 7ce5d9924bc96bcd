"""What a Dockerfile would have the engine itself do, rather than a container. Pure.

The engine fetches `ADD https://…` with its own hands, from the machine's own network, where a stage has no business.
"""

import json
import re
from collections.abc import Iterator, Mapping

from pipelines.errors import UserError

# These would stay out of the cache's key, so that what one project fetched through its proxy would be another's layer.
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})

_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*\Z", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*[A-Za-z0-9]+\s*=")
_INSTRUCTION = re.compile(r"(?:ONBUILD\s+)*([A-Za-z]+)\s+(.*)\Z", re.IGNORECASE | re.DOTALL)
_FROM_FLAG = re.compile(r"--from=(\S+)", re.IGNORECASE)
_SCHEMES = ("http://", "https://", "git://", "ssh://", "git@")


class BuildRefused(UserError):
    """A build that would reach beyond its container: change the Dockerfile or the arguments."""


def check(text: str) -> None:
    """Raises BuildRefused for a Dockerfile that has the engine fetch something."""
    for word, rest in instructions(text):
        if word == "ADD" and (found := [source for source in _words(rest)[:-1] if _may_be_address(source)]):
            raise BuildRefused(
                f"ADD {found[0][:200]}: the engine would fetch it by itself; use RUN with curl or wget, or COPY a file"
            )


def check_args(args: Mapping[str, str]) -> None:
    """Raises BuildRefused for an argument that is not a project's to set."""
    if taken := [name for name in args if name.lower() in PROXIES]:
        raise BuildRefused(f"the build argument {taken[0]} names a proxy, which only the server's operator may set")


def bases(text: str) -> list[str]:
    """What the Dockerfile names as images to begin from or to copy from; names of its own stages are among them."""
    found = []
    for word, rest in instructions(text):
        if word == "FROM":
            found += [next((part for part in rest.split() if not part.startswith("--")), "")]
        elif word in ("COPY", "ADD"):
            found += _FROM_FLAG.findall(rest)
    return [name for name in found if name]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction in capitals with the rest of its line, as the engine's parser puts lines together."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    whole = ""
    for line in lines:
        if line.lstrip().startswith("#") or (whole and not line.strip()):
            continue
        stripped = line.rstrip()
        if stripped.endswith(escape):
            whole += stripped[:-1]
            continue
        if found := _INSTRUCTION.match((whole + line).strip()):
            yield found[1].upper(), found[2]
        whole = ""
    if found := _INSTRUCTION.match(whole.strip()):
        yield found[1].upper(), found[2]


def _escape(lines: list[str]) -> str:
    for line in lines:
        if found := _ESCAPE.match(line.strip()):
            return found[1]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"


def _words(rest: str) -> list[str]:
    """The words as they come out when quotes and escapes are taken away; those of a list in JSON as well."""
    rest = re.sub(r"\A(?:--\S+\s+)*", "", rest.strip())
    try:
        listed = json.loads(rest)
    except ValueError:
        listed = None
    words = [str(word) for word in listed] if isinstance(listed, list) else rest.split()
    return [re.sub(r"[\"'\\`]", "", word) for word in words]


def _may_be_address(source: str) -> bool:
    """Also when only a variable, which an argument may set, would make it one."""
    lowered = source.lower()
    if lowered.startswith(_SCHEMES):
        return True
    literal, dollar, _ = lowered.partition("$")
    return bool(dollar) and any(scheme.startswith(literal) for scheme in _SCHEMES)

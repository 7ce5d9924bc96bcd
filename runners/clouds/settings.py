"""Reading the settings that the clouds' inventories have in common; whatever is wrong raises BadInventory."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from runners.clouds.inventory import BadInventory, InventoryFailed, text_of

Page = TypeVar("Page")

ANSWER_SECONDS = 50.0  # for all pages together


def required(settings: Mapping[str, Any], key: str, example: str) -> str:
    value = text_of(settings, key)
    if not value:
        raise BadInventory(f"inventory: {key} is missing; write one {example}.")
    return value


def tags_of(settings: Mapping[str, Any], key: str = "tags") -> dict[str, tuple[str, ...]]:
    """Name → the values of which any will do. No tags at all would mean every machine of the account: refused."""
    tags = settings.get(key)
    if not isinstance(tags, dict) or not tags:
        raise BadInventory(f'inventory: {key} is missing; write at least one like {{"env": "prod"}}.')
    return {str(name): _values(str(name), values) for name, values in tags.items()}


def _values(name: str, values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else [values]
    if not listed or not all(isinstance(value, str) and value for value in listed):
        raise BadInventory(f"inventory: tag {name} needs a text, or a list of texts, not {values!r}.")
    return tuple(listed)


def address_of(settings: Mapping[str, Any]) -> str:
    choice = text_of(settings, "address", "private")
    if choice not in ("private", "public"):
        raise BadInventory(f"inventory: address has to be private or public, not {choice!r}.")
    return choice


def page_size_of(settings: Mapping[str, Any], usual: int, most: int) -> int:
    value = settings.get("page_size", usual)
    if isinstance(value, int) and 5 <= value <= most:
        return value
    raise BadInventory(f"inventory: page_size has to be a number from 5 to {most}, not {value!r}.")


def own_endpoint(settings: Mapping[str, Any], key: str, secret: str) -> str | None:
    """Another API than the usual one. It is sent a bearer token, so it never gets one of the machine's own."""
    url = text_of(settings, key) or None
    if url and not url.startswith(("http://", "https://")):
        raise BadInventory(f"inventory: {key} has to begin with https://, not {url!r}.")
    if url and not secret.strip():
        raise BadInventory(
            f"inventory: {key} needs cloud credentials of its own, stored with the environment:"
            " it would be sent those of the machine that deploys."
        )
    return url


def matches(wanted: Mapping[str, tuple[str, ...]], tags: Mapping[str, str]) -> bool:
    """Every tag has to match, any of its values will do, `*` and `?` are wildcards."""
    return all(
        name in tags and any(_pattern(value).fullmatch(tags[name]) for value in values)
        for name, values in wanted.items()
    )


def is_pattern(value: str) -> bool:
    return "*" in value or "?" in value


def described(tags: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name}={'|'.join(values)}" for name, values in tags.items())


def in_time(pages: Iterable[Page], where: str, seconds: float = ANSWER_SECONDS) -> Iterator[Page]:
    """The pages, for as long as an inventory may take. Raises InventoryFailed then: a part is no answer."""
    ends = time.monotonic() + seconds
    for page in pages:
        yield page
        if time.monotonic() > ends:
            raise InventoryFailed(f"{where} did not end its answer within {seconds:.0f} s.")


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(re.escape(value).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)

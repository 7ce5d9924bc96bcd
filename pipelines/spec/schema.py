"""The JSON Schema (2020-12) of the pipeline file, made from the reference, for editors.

It says what a file may look like; what only the parser sees (needs without a ring, a cron that comes round, an
artifact that no stage keeps) it lets pass.
"""

from typing import Any

from pipelines.spec.fields import MAX_TEXT
from pipelines.spec.reference import KINDS, PLACES, Key, Kind, Place, Type, load

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE = {"pattern": r"\$\{\{"}
_NUMBERS = {"whole": "integer", "number": "number"}

Schema = dict[str, Any]


def json_schema() -> Schema:
    """A new one each time; `examples`, `default` and `description` are in it, for completion and hover."""
    return {
        "$schema": DIALECT,
        "title": "Slipway pipeline",
        "$ref": "#/$defs/file",
        "$defs": {name: _place(place) for name, place in PLACES.items() if place.is_parsed or not place.hidden},
    }


def _place(place: Place) -> Schema:
    schema: Schema = {
        "title": place.title,
        "type": "object",
        "properties": {name: _key(key) for name, key in place.keys.items()},
        "additionalProperties": False if place.others is None else _key(place.others),
    }
    if required := [name for name, key in place.keys.items() if key.required]:
        schema["required"] = required
    if place.free:
        schema["patternProperties"] = {f"^{place.free}": {"description": "A place for anchors; means nothing else."}}
    if place.others is not None:
        schema["propertyNames"] = {"anyOf": [{"enum": list(place.keys)}, _names(place.others.type.names)]}
    return schema | _choice_of_keys(place)


def _choice_of_keys(place: Place) -> Schema:
    if place.exactly_one:
        return {"oneOf": [{"required": [name]} for name in place.exactly_one]}
    if place.at_least_one:
        return {"anyOf": [{"required": [name]} for name in place.at_least_one]}
    return {"not": {"required": list(place.at_most_one)}} if place.at_most_one else {}


def _key(key: Key) -> Schema:
    schema = _type(key) | {"description": key.means}
    if key.default is not None:
        schema["default"] = load(key.default)
    if examples := [load(example).get(key.name) for example in key.examples]:
        schema["examples"] = [example for example in examples if example is not None]
    return schema


def _type(key: Key) -> Schema:
    alternatives = [_named(name, key.filled) for name in key.type.single]
    if key.type.items:
        items = [_item(item, key.filled) for item in key.type.items]
        least = max(key.at_least, 1 if set(key.type.single) & set(key.type.items) else 0)
        alternatives.append({"type": "array", "items": _any_of(items), **({"minItems": least} if least else {})})
    if key.type.values:
        alternatives.append(_mapping(key.type, key.filled))
    return _any_of(alternatives)


def _item(item: Type | str, filled: bool) -> Schema:
    return _named(item, filled) if isinstance(item, str) else _mapping(item, filled)


def _mapping(told: Type, filled: bool) -> Schema:
    values = [_named(name, filled) for name in told.values]
    return {"type": "object", "propertyNames": _names(told.names), "additionalProperties": _any_of(values)}


def _any_of(alternatives: list[Schema]) -> Schema:
    return dict(alternatives[0]) if len(alternatives) == 1 else {"anyOf": alternatives}


def _named(name: str, filled: bool) -> Schema:
    return {"$ref": f"#/$defs/{name}"} if name in PLACES else _value(KINDS[name], filled)


def _names(kind: str) -> Schema:
    return {"pattern": _whole(KINDS[kind])}


def _value(kind: Kind, filled: bool) -> Schema:
    if kind.scalar == "boolean":
        return {"type": "boolean"}
    if kind.scalar in _NUMBERS:
        return {"type": _NUMBERS[kind.scalar], "minimum": kind.least, "maximum": kind.most}
    if kind.choices:
        return {"type": "string", "enum": list(kind.choices), "enumDescriptions": list(kind.choices.values())}
    schema = _text(kind)
    if not filled:
        return schema | {"not": {"type": "string", **_TEMPLATE}}
    return {"anyOf": [schema, {"type": "string", **_TEMPLATE}]} if kind.pattern else schema


def _text(kind: Kind) -> Schema:
    schema: Schema = {"type": ["string", "number", "boolean"] if kind.scalar == "value" else "string"}
    if kind.pattern:
        schema["pattern"] = _whole(kind)
    elif kind.scalar != "value":
        schema["pattern"] = r"\S"
    schema["maxLength"] = kind.longest or MAX_TEXT
    return schema


def _whole(kind: Kind) -> str:
    assert kind.pattern is not None
    return f"^(?:{kind.pattern.pattern})$"

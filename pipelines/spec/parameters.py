"""Parameters: values that a person or a program gives to a run; how they are declared, and whether they fit."""

import re
from collections.abc import Mapping as Given

from pipelines.errors import UserError
from pipelines.spec.fields import clip, join
from pipelines.spec.matrix import MatrixReader
from pipelines.spec.model import ParameterSpec
from pipelines.spec.nodes import Mapping, Node, Scalar

MAX_PARAMETERS = 50
MAX_VALUE = 4000
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EXPECTED = {"number": "a number", "boolean": "true or false", "text": f"a text of at most {MAX_VALUE:,} characters"}
_KINDS_BY_DEFAULT = {"a boolean": "boolean", "a number": "number"}


class BadParameters(UserError):
    """Values that do not fit what the pipeline asks for; each fault has its line."""


def check(parameters: tuple[ParameterSpec, ...], given: Given[str, str]) -> dict[str, str]:
    """Every parameter's value, what was not given by its default; raises BadParameters with all that is wrong."""
    declared = {parameter.name: parameter for parameter in parameters}
    faults = [f"there is no parameter {clip(name)}" for name in given if name not in declared]
    values = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.default)
        fault = "this is needed" if value is None else fault_of(parameter, value)
        if fault:
            faults.append(f"{name}: {fault}")
        values[name] = value or ""
    if faults:
        raise BadParameters("\n".join(faults))
    return values


def fault_of(parameter: ParameterSpec, value: str) -> str:
    """Why a value does not fit, in words; empty if it does."""
    fits = {
        "text": len(value) <= MAX_VALUE and not _UNPRINTABLE.search(value),
        "number": _NUMBER.fullmatch(value) is not None,
        "boolean": value in ("true", "false"),
        "choice": value in parameter.options,
    }
    if fits[parameter.kind]:
        return ""
    return f"{clip(value)} does not fit; expected {_EXPECTED.get(parameter.kind) or _one_of(parameter)}"


def defaults(parameters: tuple[ParameterSpec, ...]) -> dict[str, str]:
    """What a run has that nobody was asked for; a parameter without a default is empty."""
    return {parameter.name: parameter.default or "" for parameter in parameters}


class ParameterReader(MatrixReader):
    """Reads declarations: a default alone, or a mapping."""

    def parameter_list(self, node: Node | None, key: str) -> tuple[ParameterSpec, ...]:
        if isinstance(node, Mapping) and len(node.entries) > MAX_PARAMETERS:
            self.note(node, key, f"{len(node.entries)} parameters", f"at most {MAX_PARAMETERS}")
            return ()
        return self.named(node, key, "name", self._parameter, "a mapping of names to defaults")

    def _parameter(self, name: Scalar, node: Node, key: str) -> ParameterSpec | None:
        if isinstance(node, Scalar):
            default = self.read(node, key, "value")
            return self._checked(node, key, ParameterSpec(name.text, _kind(node), default=default))
        told = self.mapping(node, key, "parameter")
        if told is None:
            return None
        default_node, options = told.value("default"), told.value("options")
        self.expect_items(options, join(key, "options"), "what can be chosen")
        implied = "choice" if options is not None else _kind(default_node)
        parameter = ParameterSpec(
            name=name.text,
            kind=self.read(told.value("type"), join(key, "type"), "parameter_kind") or implied,
            description=self.read(told.value("description"), join(key, "description"), "text") or "",
            default=self.read(default_node, join(key, "default"), "value"),
            options=self.texts(options, join(key, "options"), "value"),
        )
        if (parameter.kind == "choice") != (options is not None):
            self.note(told, key, f"this is a {parameter.kind} {_with(options)} options", "options for a choice only")
            return None
        return self._checked(default_node or told, key, parameter)

    def _checked(self, node: Node, key: str, parameter: ParameterSpec) -> ParameterSpec | None:
        fault = "" if parameter.default is None else fault_of(parameter, parameter.default)
        if fault:
            message, _, expected = fault.partition("; expected ")
            self.note(node, key, message, expected)
            return None
        return parameter


def _kind(default: Node | None) -> str:
    return "text" if default is None else _KINDS_BY_DEFAULT.get(default.kind, "text")


def _one_of(parameter: ParameterSpec) -> str:
    return "one of " + ", ".join(parameter.options[:20])


def _with(options: Node | None) -> str:
    return "without" if options is None else "with"

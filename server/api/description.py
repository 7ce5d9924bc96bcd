"""The OpenAPI description: what ninja reads from the code, and what every operation may answer besides."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from server.api import problems

_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
_WORDS = {
    401: "No token, or one that is not good any more",
    403: "The caller may not do this: the detail says which role or scope it takes",
    404: "There is nothing of that name or number, or the caller may not see it",
    409: "Somebody else was first, or something keeps it from being done: the detail says what",
    413: "More was sent than is taken at once",
    416: "The range begins behind the last byte",
    422: "What was sent is not what is asked for: `errors` says where",
    429: "Too many requests: come again after `Retry-After` seconds",
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}}},
}
_BYTES = {"type": "string"}
_RANGE = {"type": "string", "examples": ["bytes=0-1023"]}


class Description(OpenAPISchema):
    """Adds to each operation its name, its first sentence and the errors it may answer with."""

    def operation_details(self, operation: Operation) -> dict[str, Any]:
        told: dict[str, Any] = super().operation_details(operation)
        told["operationId"] = operation.view_func.__name__
        told["summary"] = (operation.description or "").split("\n")[0].split(". ")[0].rstrip(".")
        for status in _statuses(operation, told):
            told["responses"].setdefault(status, _problem(status))
        return told

    def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
        """Shapes are known by the names of their classes: two of one name would overwrite each other."""
        for name, definition in definitions.items():
            assert self.schemas.get(name, definition) == definition, f"two shapes of the API are called {name}"
        super().add_schema_definitions(definitions)

    def get_components(self) -> dict[str, Any]:
        self.schemas["Problem"] = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        self.schemas.update(self.schemas["Problem"].pop("$defs"))
        components: dict[str, Any] = super().get_components()
        return components


class Described(NinjaAPI):
    """An API that describes itself so."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        return Description(self, path_prefix if path_prefix is not None else self.get_root_path(path_params or {}))


def _statuses(operation: Operation, told: dict[str, Any]) -> list[int]:
    changes = bool(_UNSAFE & set(operation.methods))
    names = any(parameter["in"] == "path" for parameter in told["parameters"])
    takes = bool(told["parameters"]) or "requestBody" in told
    wanted = {401: True, 403: changes, 404: names, 409: changes, 413: "requestBody" in told, 422: takes, 429: True}
    return [status for status, is_wanted in wanted.items() if is_wanted]


def _problem(status: int) -> dict[str, Any]:
    example = {"type": "about:blank", "title": problems.title(status), "status": status, "detail": _WORDS[status]}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": {**example, "errors": []}}
    told: dict[str, Any] = {"description": _WORDS[status], "content": {problems.CONTENT_TYPE: content}}
    if status in _HEADERS:
        told["headers"] = _HEADERS[status]
    return told


def forbidden(told: dict[str, Any] | None = None) -> dict[str, Any]:
    """For what not everybody may read who sees it; added to what is `told` otherwise."""
    return {**(told or {}), "responses": {**(told or {}).get("responses", {}), 403: _problem(403)}}


def absent() -> dict[str, Any]:
    """For what need not be there although its address names nothing."""
    return {"responses": {404: _problem(404)}}


def raw(content_type: str, description: str, schema: dict[str, Any] = _BYTES) -> dict[str, Any]:
    """For what does not answer with JSON."""
    return {"responses": {200: {"description": description, "content": {content_type: {"schema": schema}}}}}


def ranged(content_type: str, description: str) -> dict[str, Any]:
    """As `raw`, of which a part can be asked for."""
    told = raw(content_type, description)
    part = {"description": "The bytes that were asked for", "content": {content_type: {"schema": _BYTES}}}
    told["responses"] |= {206: part, 416: _problem(416)}
    told["parameters"] = [{"in": "header", "name": "Range", "required": False, "schema": _RANGE}]
    return told

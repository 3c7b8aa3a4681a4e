"""JSON schemas of options, as forms need them: one type a field, bounds, and what texts mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit
from pydantic_core.core_schema import IsInstanceSchema
from torch import Tensor

from convscope.vocabulary.word import Word

LARGEST = 2**53  # numbers beyond are not exact in a browser

# What a value that JSON does not know is in a form.
KINDS: Mapping[type, JsonSchemaValue] = {
    Tensor: {"type": "string", "format": "photo"},
    Word: {"type": "object", "format": "call"},
}


class _Generator(GenerateJsonSchema):
    """Knows photographs and words; leaves out what stands for the same beside a text."""

    def is_instance_schema(self, schema: IsInstanceSchema) -> JsonSchemaValue:
        for kind, found in KINDS.items():
            if issubclass(schema["cls"], kind):
                return {**found}
        raise PydanticOmit


CLOSED = "path"  # the format of options that the browser cannot give


def form(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of the fields that the browser can give.

    A field of several types has the first that a form can show: text before numbers, numbers before
    lists. A field that may be None may be left out, and has no default then.
    """
    schema = model.model_json_schema(schema_generator=_Generator)
    found: dict[str, Any] = _plain(schema)
    fields = found["properties"]
    for name in [name for name, field in fields.items() if field.get("format") == CLOSED]:
        del fields[name]
    return found


def _plain(schema: Any) -> Any:
    """A schema without unions, tuples and bounds that no browser knows."""
    if isinstance(schema, list):
        return [*map(_plain, schema)]
    if not isinstance(schema, dict):
        return schema
    found = {key: _plain(value) for key, value in schema.items() if key != "anyOf"}
    if choices := [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]:
        texts = [one for one in choices if one.get("type") == "string"]
        found = {**_plain((texts or choices)[0]), **found}
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")[0]
    for bound in ("maximum", "exclusiveMaximum"):
        if found.get(bound, 0) > LARGEST:
            del found[bound]
    if found.get("default", 0) is None:
        del found["default"]
    return found

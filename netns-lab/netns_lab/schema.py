"""JSON Schema (2020-12) of topology and scenario files, for editors that complete and check while one types.

It knows keys, types and ranges. What depends on several values (a link's nodes exist, addresses do not
overlap) only `quadlink validate` tells.
"""

from typing import Any

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from netns_lab.fields import NodeName
from netns_lab.models import Link, Node, TopologyFile
from netns_lab.scenarios.model import ScenarioFile, Step


class Topology(TopologyFile):
    """A quadlink topology."""

    nodes: dict[NodeName, Node] = Field(min_length=1)
    links: list[Link] = Field([])


class Scenario(ScenarioFile):
    """A quadlink scenario."""

    steps: list[Step] = Field(min_length=1)


class _Generator(GenerateJsonSchema):
    """As files are read: nothing may be left empty, and no key is free."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """A key's name says as much as the title that would be made of it."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without the default: it may come from the file's `defaults`."""
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {
            "type": "object",
            "propertyNames": self.generate_inner(schema["keys_schema"]),
            "additionalProperties": self.generate_inner(schema["values_schema"]),
            "minProperties": schema.get("min_length", 0),
        }


def topology_schema() -> dict[str, Any]:
    """The schema of topology files, as JSON types."""
    schema = Topology.model_json_schema(schema_generator=_Generator)
    nodes = schema["properties"]["nodes"]
    # `h1:` says as much as `h1: {}`.
    nodes["additionalProperties"] = {"anyOf": [nodes["additionalProperties"], {"type": "null"}]}
    return {"$schema": _Generator.schema_dialect, **schema}


def scenario_schema() -> dict[str, Any]:
    """The schema of scenario files."""
    schema = Scenario.model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **schema}

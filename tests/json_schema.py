"""The JSON Schema of policies, and as much of a validator as it needs, so that
the tests want nothing but Python's standard library. KNOWN is what it knows;
test_policy_schema.py finds a schema that says more."""

import json
import pathlib
import re

POLICY = json.loads((pathlib.Path(__file__).resolve().parents[1]
                     / "policy" / "policy.schema.json").read_text())

TYPES = {"object": dict, "array": list, "string": str, "integer": int,
         "boolean": bool}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and isinstance(value, bool) == (
        name == "boolean")


def type_of(value):
    return next((name for name in TYPES if is_type(value, name)), "other")


def resolve(schema):
    while "$ref" in schema:
        target = POLICY
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def check_object(value, schema, path):
    for name in (*schema.get("required", ()), *(
            needed for name, others in schema.get(
                "dependentRequired", {}).items()
            if name in value for needed in others)):
        if name not in value:
            yield f"{path}: {name} is missing"
    if len(value) < schema.get("minProperties", 0):
        yield f"{path}: too few members"
    for name, member in value.items():
        inner = schema.get("properties", {}).get(name)
        for pattern, other in schema.get("patternProperties", {}).items():
            if inner is None and re.search(pattern, name):
                inner = other
        if inner is not None:
            yield from check(member, inner, f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}.{name}: no such member"


def check_array(value, schema, path):
    if not schema.get("minItems", 0) <= len(value) <= schema.get(
            "maxItems", len(value)):
        yield f"{path}: {len(value)} items"
    if schema.get("uniqueItems") and len(value) != len(
            {json.dumps(item) for item in value}):
        yield f"{path}: an item twice"
    for k, item in enumerate(value):
        yield from check(item, schema.get("items", {}), f"{path}[{k}]")


def check_string(value, schema, path):
    if not schema.get("minLength", 0) <= len(value) <= schema.get(
            "maxLength", len(value)):
        yield f"{path}: {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match"


def check_nothing(*_):
    return ()


def check_integer(value, schema, path):
    if not schema.get("minimum", value) <= value <= schema.get(
            "maximum", value):
        yield f"{path}: {value} is out of range"


CHECKS = {"object": check_object, "array": check_array,
          "string": check_string, "integer": check_integer,
          "boolean": check_nothing, "other": check_nothing}
KNOWN = {"$schema", "$id", "$ref", "$defs", "title", "description", "type",
         "const", "anyOf", "allOf", "if", "then", "required",
         "dependentRequired", "properties", "patternProperties",
         "additionalProperties", "minProperties", "items", "minItems",
         "maxItems", "uniqueItems", "minLength", "maxLength", "pattern",
         "minimum", "maximum"}


def check(value, schema, path="policy"):
    """Every complaint; of JSON Schema what our schema uses."""
    schema = resolve(schema)
    if "const" in schema and (value != schema["const"] or
                              isinstance(value, bool)):
        yield f"{path}: is not {schema['const']!r}"
    if "anyOf" in schema and all(
            next(check(value, one, path), None) for one in schema["anyOf"]):
        yield f"{path}: is none of what it may be"
    for one in schema.get("allOf", ()):
        yield from check(value, one, path)
    if "if" in schema and next(check(value, schema["if"], path), None) is None:
        yield from check(value, schema["then"], path)
    if "type" in schema and not is_type(value, schema["type"]):
        yield f"{path}: is no {schema['type']}"
    else:
        yield from CHECKS[type_of(value)](value, schema, path)


def schemas(schema):
    """Every schema within a schema."""
    yield schema
    for name in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from schemas(inner)
    for inner in (*schema.get("anyOf", ()), *schema.get("allOf", ()),
                  *(schema[name] for name in ("items", "if", "then")
                    if name in schema)):
        yield from schemas(inner)

"""The JSON Schema of policies against the reader that decides: whatever the
reader accepts, an editor with the schema accepts too, and what the schema
refuses the reader refuses. The policies of the documentation are among them."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADMIN = pathlib.Path(os.environ["TASKGATE_BIN"]) / "taskgate-admin"
SCHEMA = json.loads((ROOT / "policy" / "policy.schema.json").read_text())
CORPUS = ROOT / "tests" / "corpus" / "policy"

# What a schema cannot say, and the reader alone sees: members that contradict
# one another, sizes in two spellings, patterns, and what JSON readers forgive.
THE_READER_ALONE = {
    "arg_integer_backwards", "arg_pattern_anchored", "arg_pattern_backslash",
    "arg_pattern_negated_class", "arg_pattern_plus",
    "arg_pattern_range_backwards", "arg_pattern_regular_expression",
    "arg_pattern_three_stars", "arg_rest_backwards", "arg_rest_not_last",
    "expires_on_no_day", "hours_of_no_length", "id_twice",
    "image_in_capitals", "image_like_an_id",
    "image_pattern_class_open", "image_regular_expression", "limit_backwards",
    "limit_below_the_least", "member_twice", "member_twice_outermost",
    "mode_shadow_and_warm",
    "param_args_too_long", "param_brace_alone", "param_brace_open",
    "param_default_out_of_range", "param_default_with_a_dash",
    "param_integer_backwards", "param_never_used", "param_pattern_anchored",
    "param_pattern_that_never_matches", "param_string_backwards",
    "param_unknown_in_args", "secrets_comment_alone", "secrets_name_newline",
    "secrets_name_twice", "secrets_too_many", "subject_regular_expression",
    "version_real", "warm_backwards", "warm_max_age_too_long",
}
# What is no JSON, or none that this reader keeps apart from other JSON.
NOT_JSON = ("empty", "not_json", "trailing_comma", "comment_of_c",
            "two_values")

TYPES = {"object": dict, "array": list, "string": str, "integer": int,
         "boolean": bool}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and isinstance(value, bool) == (
        name == "boolean")


def type_of(value):
    return next((name for name in TYPES if is_type(value, name)), "other")


def resolve(schema):
    while "$ref" in schema:
        target = SCHEMA
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


def reader_says(path):
    done = subprocess.run([ADMIN, "policy", "check", path],
                          capture_output=True, text=True, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr


def complaints(path):
    return list(check(json.loads(path.read_text()), SCHEMA))


class TestSchema(unittest.TestCase):
    def assert_accepted_by_both(self, path):
        accepted, said = reader_says(path)
        self.assertTrue(accepted, said)
        self.assertEqual(complaints(path), [])

    def test_the_schema_uses_nothing_that_is_not_checked_here(self):
        for schema in schemas(SCHEMA):
            self.assertLessEqual(set(schema), KNOWN)
            resolve(schema)

    def test_accepted_policies_satisfy_the_schema(self):
        cases = sorted((CORPUS / "accept").glob("*/policy.json"))
        self.assertGreater(len(cases), 10)
        for path in cases:
            with self.subTest(case=path.parent.name):
                self.assert_accepted_by_both(path)

    def test_examples_satisfy_the_schema(self):
        cases = sorted((ROOT / "policy" / "examples").glob("*.json"))
        self.assertGreater(len(cases), 1)
        for path in cases:
            with self.subTest(example=path.name):
                self.assert_accepted_by_both(path)

    def test_policies_of_the_documentation_satisfy_the_schema(self):
        text = (ROOT / "docs" / "policy.md").read_text()
        blocks = [block for block in re.findall(
            r"```json\n(.*?)```", text, re.S) if '"version"' in block]
        self.assertGreater(len(blocks), 0)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "policy.json"
            for block in blocks:
                with self.subTest(block=block):
                    path.write_text(block)
                    self.assert_accepted_by_both(path)

    def test_refused_policies_fail_the_schema_where_it_can_tell(self):
        seen = set()
        for path in sorted((CORPUS / "reject").glob("*/policy.json")):
            name = path.parent.name
            with self.subTest(case=name):
                accepted, said = reader_says(path)
                self.assertFalse(accepted, said)
                message = (path.parent / "message").read_text().strip()
                self.assertIn(message, said.replace(str(path), "policy.json"))
                if name in NOT_JSON:
                    continue
                if complaints(path):
                    seen.add(name)
                else:
                    self.assertIn(name, THE_READER_ALONE)
        self.assertFalse(seen & THE_READER_ALONE,
                         "the schema sees these after all")
        self.assertGreater(len(seen), len(THE_READER_ALONE))


if __name__ == "__main__":
    unittest.main()

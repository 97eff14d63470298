"""The JSON Schema of policies against the reader that decides: whatever the
reader accepts, an editor with the schema accepts too, and what the schema
refuses the reader refuses. The policies of the documentation are among them."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import json_schema  # noqa: E402: its folder is not on the path before

ADMIN = pathlib.Path(os.environ["TASKGATE_BIN"]) / "taskgate-admin"
CORPUS = ROOT / "tests" / "corpus" / "policy"

# What a schema cannot say, and the reader alone sees: members that contradict
# one another, sizes in two spellings, patterns, and what JSON readers forgive.
THE_READER_ALONE = {
    "approval_of_streamed_stdin",
    "arg_integer_backwards", "arg_pattern_anchored", "arg_pattern_backslash",
    "arg_pattern_look_alike_class",
    "arg_pattern_negated_class", "arg_pattern_plus",
    "arg_pattern_range_backwards", "arg_pattern_regular_expression",
    "arg_pattern_three_stars", "arg_rest_backwards", "arg_rest_not_last",
    "digest_of_a_digest", "digest_of_a_pattern", "digest_of_an_id",
    "digest_required_and_digest", "digest_required_and_task",
    "digest_required_and_warm", "digest_required_of_a_digest",
    "digest_required_of_a_tag", "digest_required_of_an_id",
    "digest_required_of_tags", "digest_with_a_long_name",
    "entrypoint_empty_and_args_may_be", "entrypoint_empty_and_no_args",
    "entrypoint_without_a_program", "expires_on_no_day", "hours_of_no_length", "id_twice",
    "image_in_capitals", "image_like_an_id",
    "image_pattern_class_open", "image_regular_expression", "limit_backwards",
    "limit_below_the_least", "member_twice", "member_twice_outermost",
    "mode_shadow_and_warm",
    "mounts_target_in_another", "mounts_target_twice", "network_newline",
    "param_args_too_long", "param_brace_alone", "param_brace_open",
    "param_default_out_of_range", "param_default_with_a_dash",
    "param_integer_backwards", "param_never_used", "param_pattern_anchored",
    "param_pattern_that_never_matches", "param_string_backwards",
    "param_unknown_in_args", "rate_per_twice",
    "secrets_name_newline",
    "secrets_name_twice", "secrets_too_many", "subject_regular_expression",
    "version_real", "warm_backwards",
}
# What is no JSON, or none that this reader keeps apart from other JSON.
NOT_JSON = ("empty", "not_json", "trailing_comma", "comment_of_c",
            "two_values")

# A rule's members, and where a reason says that it is about one of them.
MEMBERS = re.findall(r'^MEMBER\("([a-z_]+)"', (
    ROOT / "policy" / "rule_members.def").read_text(), re.M)
DAY = 86400
PLACE = re.compile(r"rules\[\d+\]\.([a-z_]+)")


def reader_says(path):
    done = subprocess.run([ADMIN, "policy", "check", path],
                          capture_output=True, text=True, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr


def complaints(path):
    return list(json_schema.check(json.loads(path.read_text()),
                                  json_schema.POLICY))


def policy_with(members):
    return {"version": 1, "rules": [{
        "id": "a", "subjects": ["alice"], "image": "x", **members}]}


class TestSchema(unittest.TestCase):
    def assert_accepted_by_both(self, path):
        accepted, said = reader_says(path)
        self.assertTrue(accepted, said)
        self.assertEqual(complaints(path), [])

    def test_the_schema_uses_nothing_that_is_not_checked_here(self):
        for schema in json_schema.schemas(json_schema.POLICY):
            self.assertLessEqual(set(schema), json_schema.KNOWN)
            json_schema.resolve(schema)

    def test_accepted_policies_satisfy_the_schema(self):
        cases = sorted((CORPUS / "accept").glob("*/policy.json"))
        self.assertGreater(len(cases), 10)
        for path in cases:
            with self.subTest(case=path.parent.name):
                self.assert_accepted_by_both(path)

    def test_each_member_of_a_rule_has_cases_of_either_kind(self):
        accepted = {
            member for path in CORPUS.glob("accept/*/policy.json")
            for rule in json.loads(path.read_text())["rules"]
            for member in rule}
        refused = {
            place[1] for path in CORPUS.glob("reject/*/message")
            if (place := PLACE.search(path.read_text()))}
        self.assertGreater(len(MEMBERS), 20)
        self.assertEqual(set(MEMBERS) - accepted, set())
        self.assertEqual(set(MEMBERS) - refused, set())

    def assert_alike(self, members):
        """That the schema has it as the reader has it."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "policy.json"
            path.write_text(json.dumps(policy_with(members)))
            accepted, said = reader_says(path)
            self.assertEqual(not complaints(path), accepted,
                             f"{members}: {said}")

    def test_durations_end_where_the_reader_ends_them(self):
        for least, most, members in (
                (1, 31 * DAY, lambda text: {
                    "rate": [{"tasks": 1, "per": text}]}),
                (1, 7 * DAY, lambda text: {"approval": {"ttl": text}}),
                (10, DAY, lambda text: {"warm": {"min": 1, "max_age": text}})):
            for unit, seconds in (("s", 1), ("m", 60), ("h", 3600),
                                  ("d", DAY)):
                first, last = -(-least // seconds), most // seconds
                for count in sorted({0, first - 1, first, last, last + 1}):
                    self.assert_alike(members(f"{count}{unit}"))
                # The schema has a regular expression, which may have holes.
                count = 0
                while count < 2 * last + 10:
                    complaint = next(json_schema.check(
                        policy_with(members(f"00{count}{unit}")),
                        json_schema.POLICY), None)
                    self.assertEqual(complaint is None,
                                     first <= count <= last,
                                     f"{members(f'{count}{unit}')}")
                    count += 1 + count // 500

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

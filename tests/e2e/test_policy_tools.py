"""taskgate-admin explains and tries policies; whatever docs/policy.md shows
is tried here."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADMIN = pathlib.Path(os.environ["TASKGATE_BIN"]) / "taskgate-admin"
PAGE = (ROOT / "docs" / "policy.md").read_text()
MEMBERS = re.findall(r'^MEMBER\("([a-z_]+)"', (
    ROOT / "policy" / "rule_members.def").read_text(), re.M)
BLOCKS = [json.loads(block) for block in re.findall(
    r"```json\n(.*?)```", PAGE, re.S)]

RULES = {"version": 1, "rules": [
    {"id": "resize", "subjects": ["role:dev"], "image": "tools/resize",
     "args": [{"enum": ["fit", "crop"]},
              {"integer": {"min": 1, "max": 100}}],
     "env": {"LANG": "C"}, "limits": {"pids": {"max": 100}}},
    {"id": "others", "subjects": ["bob"], "image": "tools/resize"},
    {"id": "open", "subjects": ["**"], "image": "tools/open",
     "unsigned": True},
]}


class Tools(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.policy = self.write("policy.json", RULES)

    def write(self, name, document):
        path = self.folder / name
        path.write_text(document if isinstance(document, str)
                        else json.dumps(document))
        return path

    def admin(self, *words, code=0):
        done = subprocess.run([ADMIN, *map(str, words)], capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def json(self, *words, code=0):
        return json.loads(self.admin(
            *words[:2], "-o", "json", *words[2:], code=code).stdout)


class TestExplain(Tools):
    def explain(self, *words, code=0):
        return self.json("policy", "explain", "--policy", self.policy,
                         *words, code=code)

    def test_every_rule_about_the_image_says_what_fails(self):
        said = self.explain("--subject", "alice", "--role", "dev", "--image",
                            "tools/resize", code=1, *("--", "fit", "101"))
        self.assertFalse(said["allowed"])
        self.assertEqual((said["rule"], said["condition"]),
                         ("resize", "args[1]"))
        self.assertEqual(
            [(one["rule"], one["allows"], one["condition"])
             for one in said["candidates"]],
            [("resize", False, "args[1]"), ("others", False, "subjects")])
        self.assertIn("1 to 100", said["candidates"][0]["detail"])

    def test_shadows_are_told_behind_the_others(self):
        self.policy = self.write("policy.json", {"version": 1, "rules": [
            {"id": "next", "mode": "shadow", "subjects": ["alice"],
             "image": "tools/resize", "args": ["fit"]},
            *RULES["rules"]]})
        said = self.explain("--subject", "alice", "--image", "tools/resize",
                            "--", "fit", code=1)
        self.assertEqual(
            [(one["rule"], one["allows"], one.get("mode"))
             for one in said["candidates"]],
            [("resize", False, None), ("others", False, None),
             ("next", True, "shadow")])

    def explained(self, *words, args=("fit", "7"), code=0):
        return self.admin("policy", "explain", "--policy", self.policy,
                          "--subject", "alice", "--role", "ops", "--role",
                          "dev", "--image", "tools/resize", *words, "--",
                          *args, code=code).stdout

    def test_a_table_says_it_too(self):
        self.assertRegex(self.explained(), r"Allowed +yes\nRule +resize\n")
        for words, condition in ((["--env", "LANG=de"], "env.LANG"),
                                 (["--limit", "pids=101"], "limits.pids"),
                                 (["--limit", "memory=1TiB"],
                                  "limits.memory")):
            said = self.explained(*words, code=1)
            self.assertRegex(said, rf"resize +no +{condition} ")
            self.assertRegex(said, r"others +no +subjects ")
        self.explained("--limit", "pids=100", "--env", "LANG=C")

    def test_the_table_says_what_the_rule_bounds_and_who_must_agree(self):
        rule = {**RULES["rules"][0], "approval": {},
                "rate": [{"tasks": 3, "per": 90}, {"tasks": 40, "per": "1d"}],
                "concurrency": {"per_subject": 2, "total": 8}}
        self.policy = self.write("policy.json", {"version": 1,
                                                 "rules": [rule]})
        said = self.explained()
        for row in (r"Approval +yes", r"Rate +3 in 90s, 40 in 1d",
                    r"At a time +2 of a subject, 8 in all"):
            self.assertRegex(said, rf"(?m)^{row}$")
        del rule["rate"], rule["concurrency"]["per_subject"]
        self.write("policy.json", {"version": 1, "rules": [rule]})
        said = self.explained()
        self.assertNotIn("Rate ", said)
        self.assertRegex(said, r"(?m)^At a time +8 in all$")
        self.explained("--limit", "pids=101", code=1)

    def test_what_is_no_utf8_is_refused_and_not_left_out(self):
        byte = "\udcff"  # which goes to the program as it is
        for words, place in ((["--image", "tools/resize", "--", "fit", byte],
                              "argument 2"),
                             (["--image", "tools/" + byte], "--image"),
                             (["--task", byte], "--task")):
            done = self.admin("policy", "explain", "--policy", self.policy,
                              "--subject", "alice", *words, code=1)
            self.assertEqual(done.stdout, "")
            self.assertIn(place, done.stderr)
            self.assertIn("no UTF-8", done.stderr)

    def test_a_request_is_read_as_the_api_takes_it(self):
        path = self.write("request.json", {
            "image": "tools/resize", "args": ["crop", "1"]})
        said = self.explain("--subject", "alice", "--role", "dev",
                            "--request", path)
        self.assertEqual(said["rule"], "resize")
        path.write_text('{"image": "tools/resize", "arg": []}')
        done = self.admin("policy", "explain", "--policy", self.policy,
                          "--subject", "a", "--request", path, code=1)
        self.assertIn(f"{path}: arg: no such member", done.stderr)

    def test_what_is_missing_is_said(self):
        for words, wanted in (
                (["--image", "x"], "--subject"),
                (["--subject", "a"], "one of --image"),
                (["--subject", "a", "--image", "x", "--request", "-"],
                 "one of --image"),
                (["--subject", "a", "--image", "x", "--at", "now"], "--at"),
                (["--subject", "a", "--image", "x", "--env", "=1"],
                 "NAME=VALUE"),
                (["--subject", "a", "--image", "X"], "image: ")):
            done = self.admin("policy", "explain", "--policy", self.policy,
                              *words, code=1)
            self.assertIn(wanted, done.stderr)


class TestCases(Tools):
    good = [
        {"name": "a picture", "subject": "alice", "roles": ["dev"],
         "request": {"image": "tools/resize", "args": ["fit", "9"]},
         "allowed": True, "rule": "resize"},
        {"subject": "alice", "roles": ["dev"], "at": "2026-01-02T03:04:05Z",
         "request": {"image": "tools/resize", "args": ["rm", "9"]},
         "allowed": False, "rule": "resize", "condition": "args[0]"},
        {"subject": "eve", "signed": False,
         "request": {"image": "tools/open"}, "allowed": True},
    ]

    def test_cases_pass_and_rules_that_none_reaches_are_named(self):
        cases = self.write("cases.json", {"cases": self.good})
        said = self.json("policy", "test", self.policy, cases)
        self.assertEqual((said["passed"], said["failed"]), (3, 0))
        self.assertEqual(said["unreached"], ["others"])
        table = self.admin("policy", "test", self.policy, cases).stdout
        self.assertRegex(table, r"ok +a picture +allowed by resize +allowed")
        self.assertIn("3 passed, 0 failed", table)
        self.assertIn("No case is allowed by rule others.", table)

    def test_a_case_that_comes_out_otherwise_fails(self):
        for change in ({"allowed": False}, {"rule": "others"},
                       {"signed": False}):
            cases = self.write("cases.json", {"cases": [
                {**self.good[0], **change}, *self.good[1:]]})
            said = self.json("policy", "test", self.policy, cases, code=1)
            self.assertEqual((said["passed"], said["failed"]), (2, 1))
            self.assertFalse(said["cases"][0]["passed"])
            self.assertIn("FAILED", self.admin(
                "policy", "test", self.policy, cases, code=1).stdout)

    def test_a_broken_file_is_refused_with_its_place(self):
        cases = self.write("cases.json", '{"cases": [\n {"subject": 1}]}')
        done = self.admin("policy", "test", self.policy, cases, code=1)
        self.assertIn(f"{cases}:2:14: cases[0].subject: ", done.stderr)


class TestWarnings(Tools):
    def test_no_name_in_them_reaches_the_terminal_as_it_is(self):
        folder = self.folder / "policy.d"
        folder.mkdir()
        name = "10-\u009b2J\u202e.json"
        self.write(f"policy.d/{name}", {"version": 1, "rules": [
            {"id": "a", "subjects": ["alice"], "image": "x", "mounts": [
                {"source": "/srv/\u009b31m\u2066", "target": "/in",
                 "read_only": False}]}]})
        done = self.admin("policy", "check", folder)
        self.assertIn(r"10-\xc2\x9b2J\xe2\x80\xae.json:1:", done.stderr)
        self.assertIn(r"/srv/\xc2\x9b31m\xe2\x81\xa6 stays", done.stderr)
        for mark in "\u009b\u202e\u2066":
            self.assertNotIn(mark, done.stderr)


class TestDiff(Tools):
    def diff(self, rules, code=1):
        path = self.write("new.json", {"version": 1, "rules": rules})
        table = self.admin("policy", "diff", self.policy, path, code=code)
        return self.json("policy", "diff", self.policy, path,
                         code=code), table.stdout

    def test_rules_are_compared_member_by_member(self):
        resize, others, public = RULES["rules"]
        added = {"id": "new", "subjects": ["eve"], "image": "tools/new"}
        changed = {**resize, "description": "x", "env": {"//": "y"}}
        del changed["limits"]
        said, table = self.diff([changed, public, added])
        self.assertCountEqual(said, [
            {"change": "changed", "rule": "resize", "member": "env",
             "old": {"LANG": "C"}, "new": {}},
            {"change": "changed", "rule": "resize", "member": "limits",
             "old": resize["limits"]},
            {"change": "changed", "rule": "resize", "member": "description",
             "new": "x"},
            {"change": "removed", "rule": "others", "old": others},
            {"change": "added", "rule": "new", "new": added}])
        self.assertRegex(table, r'changed +resize +env +{"LANG":"C"} +{}')
        self.assertRegex(table, r"removed +others +tools/resize")
        self.assertRegex(table, r"added +new +tools/new")

    def test_comments_make_no_difference(self):
        said, table = self.diff([{**rule, "//": "why"} for rule in
                                 RULES["rules"]], code=0)
        self.assertEqual((said, table), ([], ""))

    def test_the_fewest_rules_that_moved_are_named(self):
        rules = [{"id": f"r{n}", "subjects": ["a"], "image": f"x{n}"}
                 for n in range(9)]
        self.policy = self.write("old.json", {"version": 1, "rules": rules})
        said, _ = self.diff([*rules[1:5], rules[0], *rules[6:], rules[5]])
        self.assertEqual(said, [
            {"change": "moved", "rule": "r0", "old": 1, "new": 5},
            {"change": "moved", "rule": "r5", "old": 6, "new": 9}])


class TestPage(Tools):
    """Each example of docs/policy.md."""

    def test_its_policies_decide_its_cases_as_it_says(self):
        policies = [block for block in BLOCKS if "version" in block]
        cases = [block for block in BLOCKS if "cases" in block]
        self.assertGreater(len(policies), 0)
        self.assertEqual(len(policies) + len(cases), len(BLOCKS))
        whole = {"version": 1, "rules": [
            rule for policy in policies for rule in policy["rules"]]}
        path = self.write("page.json", whole)
        self.json("policy", "check", path)
        said = self.json("policy", "test", path, self.write("cases.json", {
            "cases": [one for block in cases for one in block["cases"]]}))
        self.assertEqual(said["failed"], 0)
        self.assertEqual(said["unreached"], [])

    def check_rule(self, code, **members):
        with self.subTest(code=code):
            self.json("policy", "check", self.write("one.json", {
                "version": 1, "rules": [{
                    "id": "a", "subjects": ["alice"], "image": "x",
                    **members}]}))

    def test_its_members_and_templates_are_accepted(self):
        seen = set()
        for code in re.findall(r"`([^`\n]+)`", PAGE):
            code = code.replace("sha256:…", "sha256:" + 64 * "0")
            if re.match(r'\{"(enum|integer|pattern|rest)":', code):
                self.check_rule(code, args=[
                    json.loads(code.replace("TEMPLATE", '"x"'))])
                seen.add("template")
            elif re.match(r'"(enum|integer|string)": ', code):
                self.check_rule(code, task="t", args=["{p}"], params={
                    "p": json.loads("{" + code + "}")})
                seen.add("param")
            elif (name := re.match(r'"([a-z_]+)": ', code)) and (
                    name[1] in MEMBERS):
                self.check_rule(code, **json.loads("{" + code + "}"))
                seen.add(name[1])
        self.assertGreater(len(seen), 4)


if __name__ == "__main__":
    unittest.main()

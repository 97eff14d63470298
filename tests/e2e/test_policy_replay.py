"""A week of recorded calls decided anew: exactly those that a changed rule
flips are named."""

import json
import pathlib
import re
import shutil
import sqlite3
import tempfile
import unittest

import harness_traffic as traffic
from harness import many


class TestReplay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(
            (folder := tempfile.TemporaryDirectory()).cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.calls = list(traffic.make(many(10000), 7, seed=5))
        cls.said = traffic.record(cls.calls, traffic.policy(4096), cls.folder)

    def replay(self, rules, *words):
        done = traffic.replay(rules, self.folder, "-o", "json", *words)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if (
            report["denied"] + report["allowed"] + report["other_rule"]
        ) else 0)
        self.assertEqual(report["calls"], sum(report[name] for name in (
            "same", "denied", "allowed", "other_rule", "unknown")))
        return report

    def flips(self, before, after):
        """By number: the rules that both policies name, where they differ."""
        return {said["seq"]: (traffic.judge(call, before),
                              traffic.judge(call, after))
                for call, said in zip(self.calls, self.said)
                if traffic.judge(call, before) != traffic.judge(call, after)}

    def test_the_log_holds_what_the_engine_decided(self):
        self.assertEqual(
            [said["rule"] for said in self.said],
            [traffic.judge(call, 4096) for call in self.calls])

    def test_the_same_policy_changes_nothing_of_it(self):
        report = self.replay(traffic.policy(4096))
        # A value that only fits a pattern could be anything.
        self.assertEqual(report["calls"], len(self.calls))
        self.assertEqual(
            {change["verdict"] for change in report["changes"]}, {"unknown"})
        for change in report["changes"]:
            env = self.calls[change["seq"] - 1]["request"].get("env", {})
            self.assertIn("SECRET", env)

    def test_exactly_the_calls_that_a_changed_rule_flips_are_named(self):
        for width in (40, 1000, 9999):
            report = self.replay(traffic.policy(width))
            unknown = {change["seq"] for change in report["changes"]
                       if change["verdict"] == "unknown"}
            for seq in unknown:
                self.assertIn("SECRET",
                              self.calls[seq - 1]["request"].get("env", {}))
            named = {change["seq"]: tuple(
                change["rule" + when] if change["verdict" + when] == "allowed"
                else None for when in ("_was", ""))
                     for change in report["changes"]
                     if change["verdict"] != "unknown"}
            wanted = {seq: rules for seq, rules in self.flips(
                4096, width).items() if seq not in unknown}
            self.assertGreater(len(wanted), 10)
            self.assertEqual(named, wanted)

    def test_a_hash_is_enough_where_the_rule_lists_values(self):
        rules = traffic.policy(4096)
        rules["rules"][0]["env"]["SECRET"] = {"enum": ["swordfish"]}
        report = self.replay(rules)
        self.assertEqual(report["unknown"], 0)
        flipped = {change["seq"] for change in report["changes"]}
        wanted = {
            said["seq"] for call, said in zip(self.calls, self.said)
            if said["rule"] == "resize"
            and call["request"].get("env", {}).get("SECRET") == "x"}
        self.assertGreater(len(wanted), 5)
        self.assertEqual(flipped, wanted)

    def test_only_what_came_since_then_is_decided(self):
        report = self.replay(traffic.policy(40), "--since", "2d")
        newest = max(call["time_ms"] for call in self.calls)
        recent = sum(call["time_ms"] > newest - 2 * traffic.DAY_MS
                     for call in self.calls)
        self.assertLess(abs(report["calls"] - recent), 0.02 * recent + 20)
        for change in report["changes"]:
            self.assertGreater(
                self.calls[change["seq"] - 1]["time_ms"],
                newest - 2.1 * traffic.DAY_MS)

    def test_a_table_sums_up_what_they_have_in_common(self):
        done = traffic.replay(traffic.policy(40), self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = [row for row in done.stdout.splitlines()
                if " allowed by resize " in row and " denied" in row]
        report = self.replay(traffic.policy(40))
        self.assertEqual(
            sum(int(row.split()[0]) for row in rows),
            sum(change["verdict"] == "denied" and
                change.get("rule_was") == "resize"
                for change in report["changes"]))
        self.assertRegex(done.stdout, re.escape(
            f"{len(self.calls)} calls on record: "))
        each = traffic.replay(traffic.policy(40), self.folder, "--each")
        self.assertEqual(len(each.stdout.splitlines()),
                         len(report["changes"]) + 2)

    def test_no_count_is_too_great_to_be_summed_up(self):
        path = self.folder / "counts.db"
        shutil.copy(self.folder / "store.db", path)
        with sqlite3.connect(path) as log:
            log.execute("UPDATE audit SET record = json_set(record, "
                        "'$.object.count', 9223372036854775807)")
        log.close()
        done = traffic.replay(traffic.policy(4096), self.folder, "-o", "json",
                              database=path)
        report = json.loads(done.stdout)
        self.assertEqual(report["calls"], len(self.calls) * 10 ** 9)
        self.assertEqual(report["calls"], sum(report[name] for name in (
            "same", "denied", "allowed", "other_rule", "unknown")))

    def test_what_is_no_log_or_no_policy_is_said(self):
        done = traffic.replay({"version": 1}, self.folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("rules", done.stderr)
        other = self.folder / "no.db"
        other.write_text("no database")
        done = traffic.replay(traffic.policy(1000), self.folder,
                              database=other)
        self.assertNotIn(done.returncode, (0, 1))
        self.assertIn("file is not a database", done.stderr)


if __name__ == "__main__":
    unittest.main()

"""The benchmarks work and say what they measured; how fast anything is, no
test judges."""

import json
import os
import pathlib
import subprocess
import unittest

from harness import environment

RUN = pathlib.Path(__file__).resolve().parents[1] / "bench" / "run"


class TestBench(unittest.TestCase):
    def run_bench(self, *words):
        return subprocess.run(
            [RUN, "--quick", *words], capture_output=True, text=True,
            timeout=500, check=False, env=environment(
                TASKGATE_BIN=os.environ["TASKGATE_BIN"],
                TASKGATE_TEST_ENGINE=os.environ["TASKGATE_TEST_ENGINE"],
                TMPDIR=os.environ.get("TMPDIR", "/tmp")))

    def test_a_table_is_printed_row_by_row(self):
        done = self.run_bench("--only", "cold", "--only", "output")
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("machine: ", "cold task beside bare API calls",
                      "≤ 0.55", "output, 16 MiB", "most resident"):
            self.assertIn(words, done.stdout)
        # Few rounds say nothing about speed.
        for verdict in ("PASS", "BELOW"):
            self.assertNotIn(verdict, done.stdout)

    def test_machines_get_the_same_as_json(self):
        done = self.run_bench("-o", "json", "--only", "store",
                              *(word for name in ("decide", "replay",
                                                  "records", "review",
                                                  "verify")
                                for word in ("--only", name)))
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        self.assertIn("engine", document["about"])
        names = [row["name"].partition(",")[0] for row in document["rows"]]
        self.assertEqual(names[:3], ["submit", "list", "status"])
        self.assertIn("decision by 10", names)
        self.assertIn("policy replay", names)
        self.assertIn("audit records a second", names)
        self.assertIn("audit search by subject", names)
        self.assertIn("verifying a submission", names)
        for row in document["rows"]:
            self.assertGreater(row["value"], 0, row)
            self.assertIsNone(row["verdict"], row)

    def test_the_gateway_is_compared_with_nginx(self):
        done = self.run_bench("-o", "json", *(
            word for name in ("http", "handshake", "memory", "flood")
            for word in ("--only", name)))
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(done.stdout)["rows"]
        self.assertEqual(
            [row["at_most"] for row in rows], [2, 1.2, 1.5, 2])
        for row in rows:
            self.assertGreater(row["value"], 0, row)

    def test_what_is_not_there_is_said(self):
        done = self.run_bench("--only", "nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no benchmark nothing", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""What an operator makes of a log: summary and report, of weeks that the
store itself wrote, with names that a stranger chose."""

import html.parser
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from harness_admin import BIN, on_terminal
WEEK = ("--since", "2026-11-21", "--until", "2026-11-28")
STRANGER = "mallory </title><script>alert(1)</script>"
IMAGE = "evil/<img src=x onerror=\"x\">&'\""
TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header",
        "h1", "h2", "p", "ul", "li", "section", "div", "svg", "g", "rect",
        "line", "text", "table", "caption", "thead", "tbody", "tr", "th",
        "td", "small", "strong", "b", "span", "time", "pre", "code", "wbr"}


class Page(html.parser.HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), []
        self.tag, self.text = "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tag = tag
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tag != "style":
            self.text += data


class TestReview(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run([BIN.parent / "tests" / "make_log", cls.folder, "21",
                        "200", "2026-11-28T00:00:00Z"], check=True)

    def admin(self, *words, code=0):
        done = subprocess.run(
            [BIN / "taskgate-admin", "audit", *map(str, words), "--dir",
             self.folder], check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def on_terminal(self, *words):
        code, text = on_terminal("audit", *words, "--dir", self.folder)
        self.assertEqual(code, 0, text)
        return text

    def report(self, *words):
        path = self.folder / "report.html"
        self.admin("report", path, *words)
        tidy = subprocess.run(["tidy", "-q", "-e", path], check=False,
                              capture_output=True, text=True)
        self.assertEqual((tidy.returncode, tidy.stderr), (0, ""))
        return path.read_text(encoding="utf-8")

    def copy(self, name, *changes):
        path = self.folder / name
        shutil.copy(self.folder / "store.db", path)
        with sqlite3.connect(path) as log:
            for change in changes:
                self.assertGreater(log.execute(change).rowcount, 0)
        log.close()
        return path

    # -- summary

    def test_summary_says_who_ran_what_and_what_was_refused(self):
        summary = json.loads(self.admin("summary", *WEEK, "-o",
                                        "json").stdout)
        ran = {(one["subject"], one["image"]): one for one in summary["ran"]}
        self.assertEqual(ran[STRANGER, IMAGE]["succeeded"], 1)
        erin = ran["erin", "registry.example.org/ml/train:1"]
        self.assertEqual((erin["tasks"], erin["failed"], erin["rule"]),
                         (9, 0, "train"))
        for one in summary["ran"]:
            self.assertEqual(one["tasks"], one["succeeded"] + one["failed"])
        self.assertEqual(summary["totals"]["tasks"],
                         sum(one["tasks"] for one in summary["ran"]))
        refused = {(one["subject"], one["why"]): one["times"]
                   for one in summary["refused"]}
        self.assertEqual(refused["203.0.113.66", "unauthenticated"],
                         40 + 414)
        self.assertEqual(refused["203.0.113.66", "malformed"], 46)
        self.assertEqual(summary["totals"]["refused"], sum(refused.values()))

    def test_summary_says_what_was_never_seen_before(self):
        summary = json.loads(self.admin("summary", *WEEK, "-o",
                                        "json").stdout)
        new = {(one["kind"], one["value"]) for one in summary["new"]}
        self.assertLessEqual(
            {("subject", "erin"), ("subject", STRANGER), ("image", IMAGE),
             ("rule", "train")}, new)
        self.assertFalse({("subject", "alice"), ("rule", "demo"),
                          ("image", "demo/busybox"),
                          ("subject", "203.0.113.66")} & new)
        # Of a time in which all of it is there already.
        later = json.loads(self.admin("summary", "--since", "2026-11-26",
                                      "--until", "2026-11-28", "-o",
                                      "json").stdout)
        self.assertEqual(later["new"], [])

    def test_summary_of_a_time_without_records_is_empty(self):
        text = self.admin("summary", "--since", "2020-01-01", "--until",
                          "2020-01-02").stdout
        self.assertIn(" 0 records", text)
        self.assertEqual(text.count("nothing"), 3)

    def test_limit_cuts_and_says_so(self):
        text = self.admin("summary", *WEEK, "--limit", "2").stdout
        self.assertIn("... and more", text)
        summary = json.loads(self.admin("summary", *WEEK, "--limit", "2",
                                        "-o", "json").stdout)
        self.assertEqual(len(summary["ran"]), 2)

    def test_no_control_byte_reaches_a_terminal(self):
        for words in (("summary", *WEEK), ("summary", *WEEK, "-o", "json"),
                      ("search", "--subject", STRANGER)):
            text = self.on_terminal(*words)
            self.assertIn("mallory", text)
            self.assertIsNone(re.search(
                "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text), words)

    # -- report

    def test_report_is_one_page_that_runs_nothing(self):
        text = self.report(*WEEK)
        page = Page(text)
        self.assertLessEqual(page.tags, TAGS)
        for name, value in page.attributes:
            self.assertFalse(name.startswith("on"), name)
            self.assertNotIn(name, ("href", "src", "style"))
            self.assertNotRegex(value or "", "mallory|evil|https?:")
        self.assertNotIn("url(", text)
        self.assertNotIn("@import", text)
        self.assertIsNone(re.search(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text))
        for name in (STRANGER, IMAGE,
                     r"a\x1b[2J\x07\xff\xe2\x80\xae]]>--><svg onload=x>"):
            self.assertIn(name, page.text)

    def test_report_tells_what_is_unusual(self):
        text = Page(self.report(*WEEK)).text
        self.assertIn("Verified: all of the log is what was signed.", text)
        for words in ("500 refusals of 203.0.113.66 within ten minutes.",
                      "dave ran tools/lint:2026.1, which it had never done "
                      "before (1 time).",
                      "by uid 0 (laptop lost in <Zürich>).",
                      "A subject was locked for a time: bob, by uid 0.",
                      "The clock was set back by 1 h "):
            self.assertIn(words, text)
        self.assertRegex(text, r"alice asked for \d+ tasks in hours of the "
                               r"day when it hardly ever does \(\d\d, \d\d")
        checkpoint = self.admin("checkpoint").stdout
        self.assertIn(checkpoint, text)

    def test_report_has_the_numbers_of_its_charts_beside_them(self):
        page = Page(self.report(*WEEK))
        summary = json.loads(self.admin("summary", *WEEK, "-o",
                                        "json").stdout)["totals"]
        labels = [value for name, value in page.attributes
                  if name == "aria-label"]
        self.assertEqual(len(labels), 2)
        text = page.text.replace("\u202f", "")
        for number in ("tasks", "succeeded", "refused"):
            self.assertIn(str(summary[number]), text)
        for day in range(21, 28):
            self.assertIn(f"2026-11-{day}", text)

    def test_report_of_any_length_is_a_page(self):
        for words in (("--since", "2026-11-23T02:00:00Z", "--until",
                       "2026-11-23T02:30:00Z"),
                      ("--since", "2020-01-01", "--until", "2020-01-02"),
                      ("--since", "1990-01-01", "--until", "2026-11-28")):
            self.report(*words)

    def test_report_says_that_a_log_was_changed(self):
        path = self.copy("changed.db", "UPDATE audit SET record = "
                         "replace(record, 'erin', 'anna') WHERE seq IN "
                         "(SELECT seq FROM audit WHERE subject = 'erin')",
                         "UPDATE audit SET record = 'no JSON' WHERE seq = 7",
                         "UPDATE audit SET untrusted = '{' WHERE seq = 10")
        text = Page(self.report(*WEEK, "--database", path)).text
        self.assertIn("The log is NOT what was signed", text)
        self.admin("summary", *WEEK, "--database", path)

    def test_report_cannot_be_written(self):
        done = self.admin("report", "/nowhere/report.html", *WEEK, code=1)
        self.assertIn("/nowhere", done.stderr)

    def test_no_count_is_too_great_to_be_summed_up(self):
        most = 10 ** 9
        path = self.copy(
            "counts.db", "UPDATE audit SET record = json_set(record, "
            "'$.object.count', 9223372036854775807) WHERE event = "
            "'request.refused' AND outcome IS NOT NULL",
            "UPDATE audit SET record = json_set(record, "
            "'$.object.codes.malformed', 9223372036854775807, "
            "'$.object.codes.unauthenticated', -5) WHERE "
            "event = 'request.refused' AND outcome IS NULL")
        words = ("--database", path, *WEEK)
        summary = json.loads(self.admin("summary", *words, "-o",
                                        "json").stdout)
        refused = {(one["subject"], one["why"]): one["times"]
                   for one in summary["refused"]}
        self.assertEqual(refused["203.0.113.66", "malformed"] % most, 0)
        self.assertGreaterEqual(summary["totals"]["refused"], most)
        self.assertEqual(summary["totals"]["refused"], sum(refused.values()))
        self.assertIn("refused", self.report(*words))

    # -- export

    def export(self, *words):
        return self.admin("export", *words).stdout.splitlines()

    def verify(self, lines, *words, good):
        """With the public key and nothing else of the installation."""
        path = self.folder / "export.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        done = subprocess.run(
            [BIN / "taskgate-admin", "audit", "verify", "--export", path,
             "--key", self.folder / "audit.pub", "--dir", "/nowhere",
             "-o", "json", *words], check=False, capture_output=True,
            text=True)
        # 6: the checkpoint is nobody's.
        self.assertIn(done.returncode, (0,) if good else (1, 6), done.stderr)
        report = json.loads(done.stdout) if done.stdout else {}
        self.assertEqual(report.get("good", False), good)
        return report

    def test_an_export_is_verified_with_the_public_key_alone(self):
        for words in ((), ("--since", "2026-11-23", "--until", "2026-11-24"),
                      ("--since", "2026-11-27")):
            lines = self.export(*words)
            report = self.verify(lines, good=True)
            self.assertEqual(report["records"], len(lines) - 1)
        records = [json.loads(line) for line in lines[1:]]
        self.assertEqual(records, [json.loads(line) for line in self.admin(
            "search", "--limit", "0", "-o", "jsonl").stdout.splitlines()
            if json.loads(line)["seq"] >= records[0]["seq"]])
        empty = self.export("--since", "2020-01-01", "--until", "2020-01-02")
        self.assertEqual(self.verify(empty, good=True)["records"], 0)

    def test_whatever_is_changed_in_an_export_is_found(self):
        lines = self.export("--since", "2026-11-22", "--until", "2026-11-23")
        header = json.loads(lines[0])
        middle = len(lines) // 2

        def headed(**members):
            return [json.dumps({**header, **members}), *lines[1:]]
        hostile = next(k for k, line in enumerate(lines) if "mallory" in line
                       and '"untrusted"' in line)
        for changed in (
                lines[:-1], lines[:1] + lines[2:],
                lines[:middle] + lines[middle + 1:],
                lines + lines[-1:],
                lines[:5] + [lines[6], lines[5]] + lines[7:],
                lines[:3] + [lines[3].replace('"info"', '"none"')]
                + lines[4:],
                lines[:hostile] + [lines[hostile].replace("evil", "good")]
                + lines[hostile + 1:],
                lines[:3] + ["no JSON"] + lines[4:],
                lines[:3] + ["x" * (2 << 20)] + lines[4:],
                headed(last=header["last"] + 1),
                headed(before=header["before"][:-1] + ["00" * 32]),
                headed(extension=header["extension"][:-1])):
            report = self.verify(changed, good=False)
            self.assertTrue(report["findings"], changed[0])
        for changed in (
                [], ["{}"], lines[1:], headed(export=2), headed(more=1),
                headed(first=0), headed(before=header["before"][1:]),
                headed(checkpoint=header["checkpoint"].replace(
                    "\n", "\n1", 1)), headed(first=-1, last=-1)):
            self.assertEqual(self.verify(changed, good=False), {})

    def test_an_export_keeps_what_a_checkpoint_of_its_time_said(self):
        lines = self.export()
        kept = self.folder / "kept.note"
        self.admin("checkpoint", "--out", kept)
        self.verify(lines, "--from", kept, good=True)
        report = self.verify(self.export("--until", "2026-11-20"), "--from",
                             kept, good=False)
        self.assertIn("none of the moments", report["findings"][-1]["what"])

    def test_what_was_redacted_or_dropped_is_exported_and_verified(self):
        path = self.copy("redacted.db",
                         "UPDATE audit SET untrusted = NULL, salt = NULL "
                         "WHERE untrusted LIKE '%evil%'",
                         "UPDATE audit SET record = '', untrusted = NULL, "
                         "salt = NULL WHERE seq = 100")
        lines = self.export("--database", path)
        self.assertNotIn("evil", "".join(lines))
        self.assertEqual(json.loads(lines[100])["dropped"], True)
        records = [json.loads(line) for line in lines[1:]]
        redacted = sum("untrusted_sha256" in record
                       and "untrusted" not in record for record in records)
        self.assertGreater(redacted, 0)
        report = self.verify(lines, good=True)
        self.assertEqual((report["dropped"], report["redacted"]),
                         (1, redacted))
        # By what is not there, whatever its mark says.
        lines = [line.replace(',"redacted":true', "") for line in lines]
        self.assertEqual(self.verify(lines, good=True)["redacted"], redacted)


if __name__ == "__main__":
    unittest.main(verbosity=2)

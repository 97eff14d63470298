"""The audit log of a real installation, verified by its operator, and what
becomes of one that somebody changed."""

import json
import os
import shutil
import sqlite3
import time

from harness import IMAGE, Case, main, wait_until


class VerifyCase(Case):
    def verify(self, *words):
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               "-o", "json", *words, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["good"], done.returncode == 0)
        self.assertEqual(report["good"], not report["findings"])
        return report

    def checkpoint(self, name):
        path = self.site.folder / name
        self.site.admin("audit", "checkpoint", "--dir", self.site.etc,
                        "--out", path)
        return path

    def copy(self, name, *changes):
        """The log as it is now, with these changes."""
        path = self.site.folder / name
        with sqlite3.connect(self.site.state / "store.db") as log, \
                sqlite3.connect(path) as other:
            log.backup(other)
        with sqlite3.connect(path) as other:
            for change in changes:
                self.assertGreater(other.execute(change).rowcount, 0, change)
        other.close()
        return path


class TestVerify(VerifyCase):
    def test_a_log_that_is_written_is_verified_all_the_while(self):
        records = 0
        for n in range(10):
            self.site.submit("true", wait=0 if n % 2 else 10)
            report = self.verify()
            self.assertTrue(report["good"], report)
            self.assertGreater(report["records"], records)
            records = report["records"]
        self.assertLessEqual(records, self.site.audit()[-1]["seq"])

    def test_a_checkpoint_holds_for_what_comes_after_it(self):
        self.site.submit("true", wait=10)
        before = self.checkpoint("before.note")
        self.site.submit("true", wait=10)
        report = self.verify("--from", before)
        self.assertTrue(report["good"], report)
        self.assertLess(report["from"], report["records"])

    def test_a_change_is_found_where_it_is(self):
        self.site.submit("true", wait=10)
        path = self.copy("changed.db",
                         "UPDATE audit SET record = replace(record, "
                         "'runner', 'nobody') WHERE seq = 1")
        report = self.verify("--database", path)
        self.assertFalse(report["good"])
        self.assertEqual(report["findings"][0]["seq"], 1)

    def test_recorded_calls_are_decided_anew(self):
        done = self.site.submit("echo", "replayed", wait=10)
        answer = self.site.call("POST", "/v1/tasks", {
            "image": IMAGE, "args": ["echo", "replayed"],
            "limits": {"pids": 129}})
        self.assertEqual(answer.status, 403)
        rules = json.loads((self.site.etc / "policy.json").read_text())
        (rule,) = [one for one in rules["rules"] if one["id"] == "test"]
        rule["limits"]["pids"]["max"] = 129
        rule["args"] = [{"enum": ["echo"]}, {"enum": ["replayed"]}]
        path = self.site.folder / "replay.json"
        path.write_text(json.dumps(rules))

        def ours():
            answer = self.site.admin(
                "policy", "replay", path, "--dir", self.site.etc, "-o",
                "json", check=False)
            self.assertIn(answer.returncode, (0, 1), answer.stderr)
            report = json.loads(answer.stdout)
            self.assertEqual(report["unknown"], 0, report)
            return [change for change in report["changes"]
                    if change["verdict"] == "allowed"]
        (change,) = wait_until(ours, what="the record of the denial")
        self.assertEqual(
            (change["subject"], change["what"], change["rule"]),
            ("alice", IMAGE, "test"))
        self.assertNotEqual(change.get("task"), done["id"])

    def test_a_table_says_it_too(self):
        self.site.submit("true", wait=10)
        path = self.copy("table.db", "DELETE FROM audit WHERE seq = 2")
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               "--database", path, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is not what was signed", done.stdout)
        self.assertIn("records are missing", done.stdout)

    def test_a_log_that_was_rolled_back_is_found_by_a_checkpoint(self):
        self.site.submit("true", wait=10)
        old = self.copy("old.db")
        self.site.submit("true", wait=10)
        kept = self.checkpoint("kept.note")
        self.assertTrue(self.verify("--database", old)["good"])
        report = self.verify("--database", old, "--from", kept)
        self.assertFalse(report["good"])
        self.assertIn("only", report["findings"][-1]["what"])

    def test_what_is_no_checkpoint_of_this_log_is_refused(self):
        path = self.site.folder / "other.note"
        text = self.checkpoint("own.note").read_text()
        for broken in (text.replace("taskgate/", "taskgate-"), text[:-2],
                       "", text.replace("\n\n", "\n")):
            path.write_text(broken)
            done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                                   "--from", path, check=False)
            self.assertNotEqual(done.returncode, 0, broken)
            self.assertEqual(done.stdout, "")
            self.assertIn("other.note", done.stderr)

    def test_another_key_has_not_signed_it(self):
        key = self.site.folder / "other.pem"
        self.site.admin("init", "--dir", self.site.folder / "another",
                        "--gateway-uid", self.site.gateway_uid,
                        "--runner-uid", self.site.runner_uid)
        shutil.copy(self.site.folder / "another" / "audit.pub", key)
        report = self.verify("--key", key)
        self.assertFalse(report["good"])
        both = self.verify("--key", key, "--key",
                           self.site.etc / "audit.pub")
        self.assertTrue(both["good"], both)

    def failures(self):
        name = "taskgate_runner_checkpoints_failed_total "
        for line in self.site.operations("/metrics").body.decode() \
                .splitlines():
            if line.startswith(name):
                return int(line.removeprefix(name))
        return 0

    def test_checkpoints_are_published_to_another_place(self):
        folder = self.site.folder / "elsewhere"
        folder.mkdir(mode=0o755)
        os.chown(folder, self.site.runner_uid, self.site.runner_uid)
        self.site.edit("runner.json", {"audit_publish": str(folder),
                                       "audit_publish_each": "1s"})
        self.site.restart(self.site.runner)
        path = folder / "checkpoint"
        wait_until(path.exists, what="a checkpoint")
        before = self.verify("--from", path)
        self.assertTrue(before["good"], before)
        first = self.copy("first.db")
        known = self.verify("--database", first)["records"]
        self.assertGreaterEqual(known, before["from"])
        self.site.submit("true", wait=10)
        wait_until(lambda: self.verify("--from", path)["from"] > known,
                   what="a newer one")
        # What was rolled back is found by it.
        self.assertFalse(self.verify(
            "--from", path, "--database", first)["good"])
        # A place that cannot be written is counted, and holds up nobody.
        os.chown(folder, 0, 0)
        try:
            kept = path.read_bytes()
            self.site.submit("true", wait=10)
            wait_until(lambda: self.failures() > 0, what="a failure")
            self.assertEqual(path.read_bytes(), kept)
        finally:
            os.chown(folder, self.site.runner_uid, self.site.runner_uid)
        wait_until(lambda: path.read_bytes() != kept, what="the next one")
        # The one after it may be on its way.
        wait_until(lambda: [entry.name for entry in folder.iterdir()] ==
                   ["checkpoint"], what="nothing beside it")

    def test_where_there_is_no_log(self):
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               "--database", "/nowhere/store.db",
                               check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--database", done.stderr)


class TestTamperedWith(Case):
    def test_the_runner_adds_nothing_to_another_log(self):
        """Whoever changed it wanted it to go unnoticed."""
        self.site.submit("true", wait=10)
        self.site.runner.stop()
        path = self.site.state / "store.db"
        saved = self.site.folder / "saved.db"
        shutil.copy(path, saved)
        with sqlite3.connect(path) as log:
            log.execute("DELETE FROM audit WHERE seq > 2")
        log.close()
        self.site.runner.start()
        self.site.wait_unready("audit")
        answer = self.site.call("POST", "/v1/tasks",
                                {"image": IMAGE, "args": ["true"]})
        self.assertEqual(answer.status, 503)
        done = self.site.admin("audit", "verify", "--dir", self.site.etc,
                               check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.site.runner.stop()
        with sqlite3.connect(saved) as good, sqlite3.connect(path) as log:
            good.backup(log)
        log.close()
        self.site.runner.start()
        self.site.wait_ready()
        self.site.submit("true", wait=10)


class TestGone(VerifyCase):
    def redact(self, seq, *words):
        return self.site.admin("audit", "redact", seq, *words, "--dir",
                               self.site.etc, check=False)

    def test_what_a_client_wrote_is_taken_out_of_a_record(self):
        task = self.site.submit("echo", "a-secret-by-mistake", wait=10)["id"]
        record = self.site.audit(task)[0]
        self.assertIn("a-secret-by-mistake", json.dumps(record["untrusted"]))
        done = self.redact(record["seq"])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--reason", done.stderr)
        done = self.redact(record["seq"], "--reason", "typed by mistake")
        self.assertEqual(done.returncode, 0, done.stderr)
        after = self.site.audit(task)[0]
        self.assertEqual((after["untrusted_sha256"], after["leaf"]),
                         (record["untrusted_sha256"], record["leaf"]))
        self.assertIs(after["redacted"], True)
        self.assertNotIn("untrusted", after)
        said = [record for record in self.site.audit()
                if record["event"] == "audit.redacted"][-1]
        self.assertEqual(
            (said["principal"]["uid"], said["object"]["seq"],
             said["object"]["reason"], said["object"]["of_task"]),
            (0, record["seq"], "typed by mistake", task))
        report = self.verify()
        self.assertEqual((report["good"], report["redacted"]), (True, 1),
                         report)
        # Neither twice, nor what is not there.
        self.assertEqual(self.redact(record["seq"], "--reason", "x")
                         .returncode, 6)
        self.assertEqual(self.redact(999999, "--reason", "x").returncode, 3)
        self.drop_all(report["records"])

    def drop_all(self, records):
        """What is older than a second goes, and says so."""
        kept = self.checkpoint("kept.note")
        after = time.time() + 2
        wait_until(lambda: time.time() > after, what="records to be old")
        # It looks at its start, and then every half minute: not before.
        self.site.edit("runner.json", {"audit_retention_age": "1s"})
        self.site.restart(self.site.runner)
        wait_until(lambda: self.verify()["dropped"] >= records,
                   what="the texts to go")
        report = self.verify("--from", kept)
        self.assertTrue(report["good"], report)
        self.assertEqual(self.site.admin(
            "audit", "search", "--dir", self.site.etc, "--subject", "alice",
            "-o", "jsonl").stdout, "")
        records = self.site.audit()
        self.assertIs(records[0]["dropped"], True)
        self.assertIn("audit.dropped", [record.get("event")
                                        for record in records])
        self.assertEqual(self.site.submit("echo", "x", wait=10)["stdout"],
                         "x\n")


if __name__ == "__main__":
    main()

"""The operator's view of a runner at work: its state and its records."""

import json
import os
import pty
import re
import sqlite3
import subprocess

from harness import IMAGE, Case, main, wait_until
from harness_process import ROOT

EVENTS = ["task.accepted", "task.started", "task.finished"]


class TestAudit(Case):

    def words(self, *words, code=0):
        done = self.site.admin(*words, "--dir", self.site.etc, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def records(self, *words):
        return [json.loads(line) for line in self.words(
            *words, "-o", "jsonl").stdout.splitlines()]

    def test_status_shows_a_runner_that_is_ready(self):
        shown = json.loads(self.words("status", "-o", "json").stdout)
        self.assertIs(shown["ready"], True)
        self.assertGreater(shown["audit_seq"], 0)
        self.assertIn("Ready", self.words("status").stdout)

    def test_records_of_a_task_are_shown_in_order(self):
        task = self.site.submit("true", wait=30)["id"]
        wait_until(lambda: len(self.records("audit", "show", task)) >= 3,
                   what="the records of the task")
        records = self.records("audit", "show", task)
        self.assertEqual([one["event"] for one in records], EVENTS)
        self.assertEqual(records, sorted(records, key=lambda one: one["seq"]))
        self.assertEqual(self.records("audit", "tail", "--task", task),
                         records)

    def test_one_record_is_shown_whole(self):
        task = self.site.submit("true", wait=30)["id"]
        first = self.records("audit", "show", task)[0]
        self.assertEqual(self.records("audit", "show", first["seq"]), [first])
        text = self.words("audit", "show", first["seq"]).stdout
        self.assertIn(f"alice asked for image {IMAGE}: true from ", text)
        self.assertIn(f'"task": "{task}"', text)
        self.assertIn("Proven: it is there", text)
        self.assertIn(f"taskgate-admin audit show {task}", text)

    def test_a_task_is_told_as_a_story_with_its_proof(self):
        task = self.site.submit("sh", "-c", "echo hi; exit 3", wait=30)["id"]
        wait_until(lambda: len(self.records("audit", "show", task)) >= 3,
                   what="the records of the task")
        lines = self.words("audit", "show", task).stdout.splitlines()
        self.assertIn("alice asked for image", lines[0])
        self.assertIn("; rule test accepted it.", lines[0])
        self.assertIn("It was started ", lines[1])
        self.assertIn("It ended: failed, exit code 3 after ", lines[2])
        self.assertIn("; 3 bytes of output, 0 of errors.", lines[2])
        self.assertIn("Proven: they are there", lines[-1])
        whole = json.loads(self.words("audit", "show", task, "-o",
                                      "json").stdout)
        self.assertIs(whole["proven"], True)
        self.assertEqual(len(whole["records"]), 3)
        self.assertTrue(all(one["inclusion"] for one in whole["records"]))
        self.assertIn("taskgate/", whole["checkpoint"])

    def test_a_record_that_was_changed_is_not_proven(self):
        task = self.site.submit("true", wait=30)["id"]
        wait_until(lambda: len(self.records("audit", "show", task)) >= 3,
                   what="the records of the task")
        path = self.site.folder / "changed.db"
        with sqlite3.connect(self.site.state / "store.db") as log, \
                sqlite3.connect(path) as other:
            log.backup(other)
            other.execute("UPDATE audit SET record = replace(record, "
                          "'succeeded', 'failed') WHERE task = ?", (task,))
        other.close()
        text = self.words("audit", "show", task, "--database", path,
                          code=1).stdout
        self.assertIn("It ended: failed", text)
        self.assertIn("is NOT what was signed", text)
        done = self.words("audit", "show", task, "--key", "/nowhere")
        self.assertIn("Not proven: ", done.stdout)

    def test_tail_gives_the_newest_oldest_first(self):
        for _ in range(3):
            self.site.submit("true", wait=30)
        numbers = [one["seq"]
                   for one in self.records("audit", "tail", "-n", "4")]
        self.assertEqual(numbers,
                         list(range(numbers[0], numbers[0] + 4)))
        newest = json.loads(self.words("status", "-o", "json").stdout)
        # Reading is on record itself.
        self.assertGreaterEqual(newest["audit_seq"], numbers[-1])

    def search(self, *words):
        return self.records("audit", "search", *words)

    def test_search_finds_what_was_asked_for(self):
        name = f"not/allowed-{os.getpid()}"
        self.site.call("POST", "/v1/tasks", {"image": name}, who="bob")
        task = self.site.submit("echo", "a \"needle\"", wait=30)["id"]
        wait_until(lambda: len(self.search("--task", task)) >= 3,
                   what="the records of the task")
        shown = self.records("audit", "show", task)
        self.assertEqual(self.search("--task", task), shown)
        self.assertEqual(self.search("--text", "a \"needle\""), shown[:1])
        self.assertEqual(self.search(
            "--subject", "alice", "--image", shown[1]["object"]["image_id"],
            "--since", shown[1]["time"], "--event", "task.started",
            "--task", task), shown[1:2])
        denied = wait_until(lambda: self.search("--text", name),
                            what="the record of the denial")
        self.assertEqual([one["principal"]["subject"] for one in denied],
                         ["bob"])
        self.assertIn(denied[0], self.search(
            "--outcome", "denied", "--thumbprint",
            denied[0]["principal"]["thumbprint"], "--since", "1h"))
        self.assertEqual(self.search("--text", name, "--until",
                                     denied[0]["time"]), [])
        other = self.site.submit("true", wait=30,
                                 image=f"{IMAGE}:latest")["id"]
        spellings = [self.search("--image", image, "--event", "task.accepted")
                     for image in (IMAGE, f"{IMAGE}:latest")]
        self.assertEqual(*spellings)
        self.assertIn(shown[0], spellings[0])
        self.assertIn(other, [one["object"]["task"] for one in spellings[0]])
        self.assertEqual(denied, self.search("--image", name))
        done = self.words("audit", "search", "--image", IMAGE)
        self.assertIn(f"image={shown[0]['untrusted']['image']}", done.stdout)
        self.assertEqual(json.loads(self.words(
            "audit", "search", "--subject", "nobody", "-o", "json").stdout),
            [])

    def test_a_long_argument_hides_nothing_else(self):
        task = self.site.submit("echo", "x" * 100000, "end", wait=30)["id"]
        (found,) = wait_until(lambda: [
            one for one in self.search("--image", IMAGE, "--event",
                                       "task.accepted")
            if one["object"]["task"] == task], what="the record of the task")
        self.assertEqual(found["untrusted"], {
            "image": IMAGE, "args": ["echo", {"dropped_bytes": 100007}],
            "dropped_bytes": 100007})
        self.assertIn(f"image {IMAGE}: echo ... from", self.words(
            "audit", "show", task).stdout)
        ran = json.loads(self.words("audit", "summary", "-o",
                                    "json").stdout)["ran"]
        self.assertIn(("alice", IMAGE),
                      [(one["subject"], one["image"]) for one in ran])
        self.assertTrue(json.loads(self.words(
            "audit", "verify", "-o", "json").stdout)["good"])
        # Nobody knows what a policy says of a part of it.
        changes = json.loads(self.words(
            "policy", "replay", self.site.etc / "policy.json", "-o",
            "json").stdout)["changes"]
        self.assertEqual([(one["verdict"], one["what"]) for one in changes
                          if one.get("task") == task], [("unknown", IMAGE)])

    def test_search_refuses_what_it_cannot_mean(self):
        for words in (("--since", "yesterday"), ("--limit", "-1"),
                      ("--since", "2026-01-02", "--until", "2026-01-01")):
            done = self.words("audit", "search", *words, code=1)
            self.assertIn("--", done.stderr)
        done = self.words("audit", "search", "--database", "/nowhere",
                          code=3)
        self.assertIn("--database", done.stderr)
        empty = self.site.folder / "empty.db"
        empty.write_bytes(b"")
        done = self.words("audit", "search", "--database", empty, code=6)
        self.assertIn("no audit log of this version", done.stderr)

    def test_a_denial_is_shown_with_its_reason(self):
        answer = self.site.call("POST", "/v1/tasks", {"image": "not/allowed"})
        self.assertEqual(answer.problem, "denied")
        wait_until(lambda: f"why={answer.detail}" in self.words(
            "audit", "tail", "-n", "200").stdout,
            what="the denial's reason")

    def test_what_is_not_there_is_told(self):
        self.assertIn("no record of", self.words(
            "audit", "show", "999999999", code=3).stderr)
        self.assertIn("no record of", self.words(
            "audit", "show", "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11",
            code=3).stderr)
        self.words("audit", "show", "nonsense", code=1)

    def test_follow_goes_on_and_does_not_feed_itself(self):
        with subprocess.Popen(
                [self.site.bin / "taskgate-admin", "audit", "tail", "-f",
                 "-n", "1", "-o", "jsonl", "--dir", self.site.etc],
                stdout=subprocess.PIPE, text=True) as follower:
            try:
                last = json.loads(follower.stdout.readline())["seq"]
                task = self.site.submit("true", wait=30)["id"]
                seen = []
                while len(seen) < 3:
                    record = json.loads(follower.stdout.readline())
                    last += 1
                    self.assertEqual(record["seq"], last)
                    if record.get("object", {}).get("task") == task:
                        seen.append(record["event"])
                self.assertEqual(seen, EVENTS)
                # Of a refusal before this the gateway may tell only now.
                before = self.search("--event", "audit.read")
                uptime = self.state("uptime_s")
                wait_until(lambda: self.state("uptime_s") >= uptime + 2)
                self.assertEqual(self.search("--event", "audit.read"), before)
            finally:
                follower.terminate()

    def state(self, member):
        return json.loads(self.words("status", "-o", "json").stdout)[member]

    def test_what_a_stranger_wrote_moves_no_cursor(self):
        """Its control bytes, on a terminal, in every format."""
        task = self.site.submit("echo", "\x1b[2J\x07\u202e\u009b31m",
                                wait=30)["id"]
        wait_until(lambda: "2J" in self.words(
            "audit", "tail", "-o", "jsonl").stdout,
            what="the record of what was written")
        for words in ((), ("-o", "json"), ("-o", "jsonl")):
            for verb in (("tail", "-n", "20"), ("search", "-n", "20"),
                         ("show", task)):
                text = self.on_terminal("audit", *verb, *words)
                for byte in ("\x1b", "\x07", "\u202e", "\u009b"):
                    self.assertNotIn(byte, text, (verb, words))

    def on_terminal(self, *words):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
                [self.site.bin / "taskgate-admin", *words, "--dir",
                 self.site.etc], stdout=theirs) as child:
            os.close(theirs)
            data = b""
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # EIO: the other side is closed
                    break
                if not piece:
                    break
                data += piece
            os.close(ours)
            self.assertEqual(child.wait(30), 0)
        self.assertTrue(data)
        return data.decode()

    def test_every_record_has_the_members_that_are_documented(self):
        self.site.submit("sh", "-c", "exit 3", wait=30)
        self.site.call("POST", "/v1/tasks", {"image": "not/allowed"})
        self.site.call("GET", "/v1/whoami", token="none")
        sleeper = self.site.submit("sleep", "60")["id"]
        self.site.call("DELETE", f"/v1/tasks/{sleeper}?grace=0")
        self.site.finish(sleeper)
        self.words("lock", "carol", "--ttl", "1h", "--reason", "test")
        self.words("reload")
        page = (ROOT / "docs" / "audit.md").read_text()
        documented = {
            code: set(re.findall("`(.*?)`", members)) for code, members in
            re.findall(r"^\| `(\S+)` \| .* \| (.*) \|$", page, re.M)}

        def seen():
            found = set()
            for record in self.site.audit():
                members = set(record.get("object", ()))
                self.assertLessEqual(members, documented[record["event"]],
                                     record)
                found.add(record["event"])
            return found
        # The gateway may tell of a refusal a while later.
        wait_until(lambda: {
            "task.denied", "request.refused", "task.cancel_asked",
            "task.finished", "subject.locked", "reload.done"} <= seen(),
            what="a record of each kind")

    def test_socket_is_closed_to_others(self):
        done = subprocess.run(
            [self.site.bin / "taskgate-admin", "status", "--dir",
             self.site.etc], user=self.site.client_uid,
            group=self.site.client_uid, extra_groups=[], check=False,
            capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("run this as root", done.stderr)


if __name__ == "__main__":
    main()

"""The audit log at a distance: somebody with the scope audit:read and nothing
else searches, reads, exports and verifies, and can do nothing else."""

import base64
import hashlib
import json
import os
import sqlite3
import urllib.parse

from harness import Case, main
from harness_client import Terminal
from test_receipts import canonical, climb

OPERATIONS = ("get", "post", "put", "delete")
BESIDE = ("leaf", "untrusted", "untrusted_salt", "inclusion")


class TestAuditor(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.enroll("eve", scopes=("audit:read",))

    def get(self, path, who="eve", **query):
        query = urllib.parse.urlencode(query)
        return self.site.call("GET", f"{path}?{query}" if query else path,
                              who=who)

    def audit(self, **query):
        answer = self.get("/v1/audit", **query)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def test_every_other_route_is_closed(self):
        paths = self.get("/openapi.json").json["paths"]
        task = self.site.submit("true", wait=30)["id"]
        open_to_all, audit, closed = set(), set(), 0
        for path, item in paths.items():
            real = path.replace("{task}", task).replace("{file}", "left")
            for method in set(item) & set(OPERATIONS):
                scope = item[method].get("x-scope", "")
                body = {} if item[method].get("requestBody") else None
                answer = self.site.call(method.upper(), real, body,
                                        who="eve")
                if not scope:
                    open_to_all.add(path)
                elif scope == "audit:read":
                    audit.add(path)
                    self.assertNotIn(answer.status, (401, 403), path)
                    self.assertEqual(self.get(real, who="alice").problem,
                                     "insufficient-scope", path)
                else:
                    closed += 1
                    self.assertEqual(answer.problem, "insufficient-scope",
                                     (method, path))
        self.assertEqual(audit, {"/v1/audit", "/v1/audit/checkpoint",
                                 "/v1/audit/proof"})
        self.assertLessEqual({"/v1/whoami", "/api/status"}, open_to_all)
        self.assertGreater(closed, 9)

    def test_what_is_shown_is_proved_and_paged(self):
        tasks = [self.site.submit("true", wait=30)["id"] for _ in range(3)]
        found = self.audit(task=tasks[1], proofs=1)
        self.assertEqual([one["event"] for one in found["records"]],
                         ["task.accepted", "task.started", "task.finished"])
        for record in found["records"]:
            hashed = {name: value for name, value in record.items()
                      if name not in BESIDE}
            leaf = hashlib.sha256(b"\0" + canonical(hashed)).hexdigest()
            self.assertEqual(record["leaf"], leaf)
            root = base64.b64decode(found["checkpoint"].split("\n")[2])
            self.assertEqual(climb({**found, **record, "record": hashed}),
                             root)
        path, numbers = "/v1/audit?event=task&subject=alice&limit=2", []
        while path:
            answer = self.site.call("GET", path, who="eve")
            numbers += [one["seq"] for one in answer.json["records"]]
            link = answer.headers["Link"]
            path = link and link[1:].split(">")[0]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreaterEqual(len(numbers), 9)
        newest = self.audit(newest=1, limit=5, event="task")["records"]
        self.assertEqual([one["seq"] for one in newest],
                         numbers[:-6:-1])

    def test_reading_is_on_record_once_for_a_question(self):
        for _ in range(3):
            self.audit(text="needle % in it", limit=1)
        read = self.audit(event="audit.read", subject="eve")["records"]
        asked = [one["untrusted"]["search"].get("text") for one in read
                 if "untrusted" in one]
        self.assertEqual(asked.count("needle % in it"), 1)

    def test_bad_questions_are_told(self):
        for query in ({"limit": 0}, {"limit": 1001}, {"since": "yesterday"},
                      {"task": "x"}, {"subject": ""}, {"text": "x" * 257},
                      {"before": 0}, {"newest": 2}, {"nonsense": 1},
                      {"since": "2026-01-02T00:00:00Z",
                       "until": "2026-01-01T00:00:00Z"},
                      {"after": 5, "before": 3}):
            self.assertEqual(self.get("/v1/audit", **query).problem,
                             "unprocessable", query)
        for query in ({}, {"first": 1, "seq": 1}, {"first": 1, "size": 2},
                      {"seq": 1, "second": 2}, {"first": 0}):
            self.assertEqual(self.get("/v1/audit/proof", **query).problem,
                             "unprocessable", query)
        for query in ({"seq": 10 ** 9}, {"first": 1, "second": 10 ** 9},
                      {"first": 10 ** 9}):
            self.assertEqual(self.get("/v1/audit/proof", **query).problem,
                             "not-found", query)
        # Not by text: that finds the record of its own reading as well.
        self.assertEqual(self.audit(subject="' OR 1=1 --")["records"], [])

    # -- the client's side

    def client(self, *words, code=0, who="eve"):
        done = self.site.client("audit", *words, who=who)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        return done

    def found(self, *words):
        return [json.loads(line) for line in self.client(
            "search", "-o", "jsonl", *words).stdout.splitlines()]

    def write(self, name, text):
        path = self.site.home / name
        path.write_text(text)
        os.chown(path, self.site.client_uid, self.site.client_uid)
        return path

    def test_the_client_searches_and_shows(self):
        tasks = [self.site.submit("true", wait=30)["id"] for _ in range(3)]
        events = ["task.accepted", "task.started", "task.finished"]
        found = self.found("--task", tasks[0])
        self.assertEqual([one["event"] for one in found], events)
        self.assertEqual(self.found("--event", "task.finished", "-n", "2",
                                    "--since", "1h", "--subject", "alice"),
                         [self.found("--task", task)[2]
                          for task in tasks[1:]])
        self.assertEqual(self.found("--until", "2026-01-01"), [])
        lines = self.client("search", "--task", tasks[1]).stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("subject=alice", lines[0])
        shown = self.client("show", tasks[2]).stdout
        for words in ("alice asked for", "It ended: succeeded", "proved"):
            self.assertIn(words, shown)
        shown = self.client("show", found[0]["seq"]).stdout
        self.assertIn('"event": "task.accepted"', shown)
        self.client("show", 10 ** 9, code=3)
        self.client("show", "nonsense", code=2)
        self.client("search", "--since", "yesterday", code=2)
        self.assertIn("audit:read", self.client(
            "search", code=5, who="alice").stderr)

    def test_what_strangers_wrote_is_neutral_on_a_terminal(self):
        evil = "\x1b]0;owned\x07\x1b[31m\u009b31m\u202ered"
        task = self.site.submit("echo", evil, wait=30)["id"]
        self.assertEqual(self.found("--text", "owned")[0]["untrusted"]
                         ["args"], ["echo", evil])
        number = self.found("--task", task)[0]["seq"]
        for words in (("search", "--task", task), ("show", task),
                      ("show", number), ("search", "-o", "json"),
                      ("export",)):
            with Terminal(self.site, "audit", *words, who="eve") as terminal:
                self.assertEqual(terminal.finish(), 0, terminal.seen)
                for byte in (b"\x1b", b"\x07", b"\xc2\x9b", b"\xe2\x80\xae"):
                    self.assertNotIn(byte, terminal.seen, words)

    def test_the_whole_is_verified_and_exported_from_here(self):
        kept = self.site.home / "kept.note"
        self.client("checkpoint", "--out", kept)
        for _ in range(3):
            self.site.submit("true", wait=30)
        verdict = json.loads(self.client(
            "verify", "--from", kept, "-o", "json").stdout)
        self.assertTrue(verdict["good"])
        self.assertGreater(verdict["records"], verdict["from"])
        newer = self.client("checkpoint", "--from", kept).stdout
        self.assertEqual(newer.split("\n")[0], kept.read_text().split("\n")[0])
        exported = self.client("export").stdout.splitlines()
        head, records = json.loads(exported[0]), exported[1:]
        self.assertEqual(len(records), head["last"])
        self.assertEqual([json.loads(one)["seq"] for one in records],
                         list(range(1, head["last"] + 1)))
        path = self.write("export.jsonl", "\n".join(exported) + "\n")
        self.site.admin("audit", "verify", "--dir", self.site.etc,
                        "--export", path)
        forged = kept.read_text().replace("\n\n", "\n\n\u2014 x AAAAAA==\n")
        self.client("verify", "--from", self.write("witnessed", forged))
        for name, text in (("none", ""), ("other", kept.read_text().replace(
                "taskgate/", "taskgate-"))):
            self.client("verify", "--from", self.write(name, text), code=1)

    def test_a_log_that_was_changed_is_found_from_here(self):
        """By whoever holds the machine, but not the key."""
        kept = self.site.home / "before.note"
        self.client("checkpoint", "--out", kept)
        task = self.site.submit("true", wait=30)["id"]
        path = self.site.state / "store.db"
        with sqlite3.connect(path) as log:
            seq, record = log.execute(
                "SELECT seq, record FROM audit WHERE task = ? AND "
                "event = 'task.finished'", (task,)).fetchone()
            log.execute("UPDATE audit SET record = ? WHERE seq = ?",
                        (record.replace("succeeded", "failed"), seq))
        for words in (("search", "--task", task), ("show", seq),
                      ("show", task), ("verify",), ("export",)):
            done = self.client(*words, code=1)
            self.assertIn("hashed", done.stderr, words)
            self.assertNotIn('failed', done.stdout)
        self.client("checkpoint", "--from", kept)
        with sqlite3.connect(path) as log:
            log.execute("UPDATE audit SET record = ? WHERE seq = ?",
                        (record, seq))
        log.close()
        self.client("verify", "--from", kept)


if __name__ == "__main__":
    main()

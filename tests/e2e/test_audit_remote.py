"""The audit log at a distance: somebody with the scope audit:read and nothing
else searches, reads, exports and verifies, and can do nothing else."""

import base64
import hashlib
import urllib.parse

from harness import Case, main
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


if __name__ == "__main__":
    main()

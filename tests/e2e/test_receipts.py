"""A receipt for every task: given to who may see the task, verified by who has
the audit public key and nothing else, refused with any byte changed."""

import base64
import hashlib
import json

from harness import IMAGE, Case, main, rule


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data).digest()


def climb(receipt):
    """The root that record and proof lead to: RFC 9162 2.1.3.2, written
    without a look at the code."""
    at, size = receipt["record"]["seq"] - 1, size_of(receipt)
    last, node = size - 1, sha256(b"\0" + canonical(receipt["record"]))
    for text in receipt["inclusion"]:
        other = bytes.fromhex(text)
        assert last > 0
        if at & 1 or at == last:
            node = sha256(b"\1" + other + node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + other)
        at, last = at >> 1, last >> 1
    assert last == 0
    return node


def size_of(receipt):
    return int(receipt["checkpoint"].split("\n")[1])


class TestReceipt(Case):
    policy = {"version": 1, "rules": [
        rule("test", ["alice", "bob"], outputs=4)]}

    def receipt_of(self, task, who="alice"):
        return self.site.call("GET", f"/v1/tasks/{task}/receipt", who=who)

    def test_it_says_all_that_became_of_a_task(self):
        order = {"image": IMAGE, "outputs": ["left", "missing"],
                 "args": ["sh", "-c", "echo out; echo err >&2;"
                          " echo kept > /tmp/left; exit 7"]}
        task = self.site.call("POST", "/v1/tasks?wait=30", order).json
        answer = self.receipt_of(task["id"])
        self.assertEqual(answer.status, 200, answer.body)
        receipt = answer.json
        record, what = receipt["record"], receipt["record"]["object"]
        self.assertEqual(answer.body, canonical(receipt) + b"\n")
        self.assertEqual((record["event"], record["outcome"], record["rule"]),
                         ("task.finished", "failed", "test"))
        self.assertEqual(record["principal"]["thumbprint"],
                         self.site.members["alice"].signer.thumbprint)
        self.assertEqual(len(record["policy_sha256"]), 64)
        self.assertEqual(what["task"], task["id"])
        self.assertEqual(len(what["request_sha256"]), 64)
        for member in ("image_id", "limits", "exit_code", "start",
                       "created_at", "started_at", "finished_at", "stages",
                       "resources"):
            self.assertEqual(what[member], task[member], member)
        self.assertEqual(what["output"]["stdout_sha256"],
                         sha256(b"out\n").hex())
        self.assertEqual(what["output"]["stderr_sha256"],
                         sha256(b"err\n").hex())
        self.assertEqual(
            [(one["status"], one.get("sha256")) for one in what["outputs"]],
            [("kept", sha256(b"kept\n").hex()), ("missing", None)])
        self.assertEqual(receipt["untrusted"]["outputs"], ["left", "missing"])
        salt = bytes.fromhex(receipt["untrusted_salt"])
        self.assertEqual(record["untrusted_sha256"], sha256(
            salt + canonical(receipt["untrusted"])).hex())
        root = base64.b64decode(receipt["checkpoint"].split("\n")[2])
        self.assertEqual(climb(receipt), root)

    def test_who_may_not_see_the_task_gets_none(self):
        task = self.site.submit("sleep", "60")["id"]
        self.assertEqual(self.receipt_of(task).problem, "conflict")
        self.assertEqual(self.receipt_of(task, who="bob").problem,
                         "not-found")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        self.site.finish(task)
        self.assertEqual(self.receipt_of(task).json["record"]["outcome"],
                         "cancelled")
        self.assertEqual(self.receipt_of(task, who="bob").problem,
                         "not-found")
        path = f"/v1/tasks/{task}/receipt"
        for query, problem in (("?a=1", "unprocessable"),
                               ("/proof", "unprocessable"),
                               ("/proof?first=0", "unprocessable"),
                               ("/proof?seq=1", "unprocessable"),
                               ("/proof?first=1&second=999999", "not-found"),
                               ("/proof?first=2&second=1", "not-found")):
            answer = self.site.call("GET", path + query)
            self.assertEqual(answer.problem, problem, query)
        self.assertEqual(self.site.call(
            "GET", f"{path}/proof?first=1", who="bob").problem, "not-found")


if __name__ == "__main__":
    main()

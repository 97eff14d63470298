"""A receipt for every task: given to who may see the task, verified by who has
the audit public key and nothing else, refused with any byte changed."""

import base64
import hashlib
import json
import os
import subprocess

from harness import IMAGE, Case, main, rule
from harness_client import Liar, copy_context, run_client, through


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
        self.verify_note(receipt["checkpoint"])

    def verify_note(self, note):
        """C2SP signed-note, by openssl: its text, and behind the key's id the
        signature."""
        text, signature = note.split("\n\n")
        self.write("note.text", text.encode() + b"\n")
        signature = base64.b64decode(signature.split(" ")[2])[4:]
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey",
             self.site.members["alice"].folder / "audit.pub", "-in",
             self.make("note.text"), "-sigfile",
             self.write("note.sig", signature)],
            capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

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

    # -- the client's side

    def make(self, name):
        """A file's name where the client may write."""
        return self.site.home / name

    def write(self, name, data):
        path = self.make(name)
        path.write_bytes(data)
        os.chown(path, self.site.client_uid, self.site.client_uid)
        return path

    def verify(self, path, *words, code=0):
        """By the key alone: without context, server or network."""
        done = run_client(self.site, "receipt", "verify", path, "--key",
                          self.site.members["alice"].folder / "audit.pub",
                          *words, env={"TASKGATE_CONTEXT": "/nowhere"})
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assertEqual(done.stdout != "", code == 0)
        return done

    def run_with(self, name, *words, options=(), code=0):
        path = self.make(name)
        done = self.site.client("run", "--receipt", path, *options, IMAGE,
                                "--", *words)
        self.assertEqual(done.returncode, code, done.stderr)
        return path, done

    def test_run_leaves_one_that_needs_nobody(self):
        path, done = self.run_with(
            "run.receipt", "sh", "-c",
            "echo out; echo err >&2; echo kept > '/tmp/left'; exit 7",
            options=("--output", f"left={self.make('left')}"), code=7)
        out = self.write("out", done.stdout.encode())
        err = self.write("err", done.stderr.encode())
        shown = self.verify(path, "--stdout", out, "--stderr", err).stdout
        for words in ("alice", "exit code      7", "failed", "left: kept",
                      sha256(b"out\n").hex(), sha256(b"kept\n").hex()):
            self.assertIn(words, shown)
        self.assertIn("stdout", self.verify(
            path, "--stdout", err, code=1).stderr)
        receipt = json.loads(path.read_bytes())
        self.assertEqual(
            self.verify(path, "-o", "json").stdout.encode(),
            path.read_bytes())
        saved = self.make("saved")
        task = receipt["record"]["object"]["task"]
        done = self.site.client("receipt", task, "--save", saved)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.verify(saved)
        self.assertEqual(json.loads(saved.read_bytes())["record"],
                         receipt["record"])

    def test_one_with_a_byte_changed_is_refused(self):
        path, _ = self.run_with("whole", "true")
        data = path.read_bytes()
        for k in range(0, len(data), len(data) // 16):
            changed = bytearray(data)
            changed[k] ^= 1 << k % 8
            self.verify(self.write("changed", bytes(changed)), code=1)
        for bad in (b"", data[:-1], data + b"\n", data * 2,
                    canonical(json.loads(data)["record"])):
            self.verify(self.write("changed", bad), code=1)
        self.verify(path)

    def test_it_holds_against_a_newer_checkpoint_by_a_proof(self):
        path, _ = self.run_with("old", "true")
        self.site.submit("true", wait=30)
        newer, proof = self.make("newer"), self.make("proof")
        self.site.admin("audit", "checkpoint", "--dir", self.site.etc,
                        "--out", newer)
        done = self.site.client("receipt", "prove", path, "--checkpoint",
                                newer)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("proof", done.stdout.encode())
        self.verify(path, "--checkpoint", newer, "--proof", proof)
        self.assertIn("no proof", self.verify(
            path, "--checkpoint", newer, code=1).stderr)
        wrong = json.loads(done.stdout)
        wrong["consistency"][0] = "00" * 32
        self.verify(path, "--checkpoint", newer, "--proof",
                    self.write("wrong", canonical(wrong)), code=1)
        own = json.loads(path.read_bytes())["checkpoint"].encode()
        self.verify(path, "--checkpoint", self.write("own", own))
        self.verify(path, "--checkpoint", self.write(
            "forged", newer.read_bytes().replace(b"\n1", b"\n2")), code=1)

    def test_another_key_or_none_is_told(self):
        path, _ = self.run_with("mine", "true")
        other = self.site.folder / "another"
        self.site.admin("init", "--dir", other, "--gateway-uid",
                        self.site.gateway_uid, "--runner-uid",
                        self.site.runner_uid)
        done = run_client(self.site, "receipt", "verify", path, "--key",
                          self.write("other.pub",
                                     (other / "audit.pub").read_bytes()),
                          env={})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        folder = copy_context(self.site, "keyless")
        document = json.loads((folder / "context.json").read_text())
        del document["audit_key"]
        (folder / "context.json").write_text(json.dumps(document))
        for words in (("receipt", "verify", path),
                      ("run", "--receipt", self.make("none"), IMAGE, "--",
                       "true")):
            done = run_client(self.site, *words,
                              env={"TASKGATE_CONTEXT": str(folder)})
            self.assertIn("audit.pub", done.stderr)
            self.assertNotEqual(done.returncode, 0)
        self.assertFalse(self.make("none").exists())

    def test_it_holds_when_what_a_client_wrote_was_taken_out(self):
        task = self.site.call("POST", "/v1/tasks?wait=30", {
            "image": IMAGE, "args": ["true"], "outputs": ["secret"]}).json
        before = self.receipt_of(task["id"])
        self.site.admin("audit", "redact", before.json["record"]["seq"],
                        "--reason", "a name", "--dir", self.site.etc)
        after = self.receipt_of(task["id"])
        self.assertNotIn(b"secret", after.body)
        self.assertEqual(after.json["record"], before.json["record"])
        self.assertIn("(its name was taken out)", self.verify(
            self.write("redacted", after.body)).stdout)
        self.verify(self.write("kept", before.body))

    def test_a_gateway_that_lies_is_found(self):
        """It has the server's key, and the client believes it until it has
        the receipt."""
        with Liar(self.site) as liar:
            options = through(self.site, liar, "lied-to")
            for k, (truth, lie, words) in enumerate((
                    (b"", b"", None),
                    (b"truth", b"false", "stdout"),
                    (b'"failed","exit_code":7', b'"failed","exit_code":0',
                     "exit_code"),
                    (b'"finished","outcome":"failed"',
                     b'"finished","outcome":"killed"', "outcome"),
                    (b'"name":"left"', b'"name":"lift"', "files"),
                    # In the receipt as well.
                    (b'"failed"', b'"killed"', "does not hold"),
                    (b'"seq":', b'"Seq":', "does not hold"))):
                liar.lies = {truth: lie}
                path = self.make(f"lie{k}")
                done = self.site.client(
                    "run", "--receipt", path, "--output",
                    f"left={self.make('left')}", *options, IMAGE, "--", "sh",
                    "-c", "echo truth; echo > /tmp/left; exit 7")
                if words is None:
                    self.assertEqual((done.returncode, done.stderr), (7, ""))
                    continue
                self.assertIn(words, done.stderr)
                self.assertIn(done.returncode, (7, 125), done.stderr)
                if path.exists():
                    self.verify(path)


if __name__ == "__main__":
    main()

"""Files that are uploaded for tasks to read, and those that tasks leave."""

import hashlib
import os

from harness import IMAGE, Case, main, rule, wait_until
from harness_body import (BYTES, content_digest, post_blob, put_stdin,
                          store_blob)

MIB = 1 << 20


def digest(data):
    return hashlib.sha256(data).hexdigest()


class FilesCase(Case):
    policy = {"version": 1, "rules": [
        rule("test", ["alice", "bob"], inputs=4, outputs=4, stdin="stream")]}

    def run_task(self, *args, **members):
        return self.site.submit(*args, wait=60, **members)

    def fetch(self, task, name, **more):
        return self.site.call("GET", f"/v1/tasks/{task}/files/{name}", **more)

    def is_nothing_kept(self):
        folder = self.site.state / "blobs"
        return not [path for path in folder.rglob("*") if path.is_file()]

    def refused(self, answer, status, problem):
        self.assertEqual((answer.status, answer.problem), (status, problem),
                         answer.body)


class TestBlobs(FilesCase):
    runner_settings = {"blob_max": "1MiB", "blobs_per_subject": "3MiB"}

    def test_a_task_reads_exactly_what_was_uploaded(self):
        data = os.urandom(MIB - 1)
        blob = store_blob(self.site, data)
        self.assertEqual((blob["sha256"], blob["size"]),
                         (digest(data), len(data)))
        task = self.run_task("sha256sum", "/tmp/data",
                             inputs={"data": blob["sha256"]})
        self.assertEqual(task["stdout"].split()[0], digest(data), task)
        self.assertEqual(task["inputs"], ["data"])

    def test_the_same_again_is_200(self):
        statuses = []
        for _ in range(2):
            with post_blob(self.site, b"the same", None) as body:
                statuses.append(body.finish(b"the same").status)
        self.assertEqual(statuses, [201, 200])

    def test_a_digest_that_does_not_match_keeps_nothing(self):
        for length in (5, None):
            with self.subTest(length=length), post_blob(
                    self.site, b"right", length) as body:
                self.refused(body.finish(b"wrong"), 422, "unprocessable")
        for data in (b"right", b"wrong"):
            self.refused(self.site.call(
                "POST", "/v1/tasks", self.request(digest(data))),
                422, "unprocessable")

    def request(self, sha256):
        return {"image": IMAGE, "args": ["true"], "inputs": {"data": sha256}}

    def test_what_another_subject_uploaded_is_not_there(self):
        blob = store_blob(self.site, b"alice's own", who="alice")
        self.refused(self.site.call(
            "POST", "/v1/tasks", self.request(blob["sha256"]), who="bob"),
            422, "unprocessable")

    def test_one_larger_than_allowed(self):
        data = os.urandom(MIB + 1)
        with post_blob(self.site, data, None) as body:
            self.refused(body.finish(data), 413, "too-large")

    def test_a_digest_of_another_form_is_refused_before_the_body(self):
        for value in (None, "sha-256=abc", content_digest(b"x") + ", a=:b:",
                      content_digest(b"x").replace("256", "512"),
                      f"sha-256={digest(b'x')}"):
            with self.subTest(value=value):
                answer = self.site.call("POST", "/v1/blobs", b"x", headers={
                    "Content-Type": BYTES, "Content-Digest": value})
                self.assertEqual((answer.status, answer.problem),
                                 (400, "malformed"), answer.body)


class TestQuota(FilesCase):
    runner_settings = {"blob_max": "2MiB", "blobs_per_subject": "3MiB"}

    def post(self, data, length, who):
        with post_blob(self.site, data, length, who=who) as body:
            return body.finish(data)

    def kept(self):
        return sorted(path.name for path in (
            self.site.state / "blobs").rglob("*") if path.is_file())

    def test_a_subject_has_so_much_and_no_more(self):
        first, second = os.urandom(2 * MIB), os.urandom(2 * MIB)
        store_blob(self.site, first)
        before = self.kept()
        for again in (False, True):
            for length in (len(second), None):
                with self.subTest(length=length, again=again):
                    self.refused(self.post(second, length, "alice"),
                                 429, "busy")
                    # What of it was written goes behind the answer.
                    wait_until(lambda: self.kept() == before,
                               what="nothing left of it")
            # What somebody has does not depend on who remembers it.
            self.site.runner.kill()
            self.site.runner.start()
            self.site.wait_ready()
        # It is this subject's alone, and what fits is taken.
        store_blob(self.site, second, who="bob")
        store_blob(self.site, second[:MIB])
        self.refused(self.post(b"x", 1, "alice"), 429, "busy")


class TestBrokenBlobs(FilesCase):
    def test_one_that_breaks_off_leaves_nothing(self):
        data = os.urandom(MIB)
        for length in (len(data), None):
            with self.subTest(length=length):
                body = post_blob(self.site, data, length)
                body.send(data[:MIB // 2])
                wait_until(lambda: not self.is_nothing_kept(),
                           what="a file that is being written")
                body.vanish()
                wait_until(self.is_nothing_kept, what="nothing left")


class TestFiles(FilesCase):
    def test_a_file_that_a_task_leaves_comes_back_as_it_was(self):
        data = os.urandom(300000)
        blob = store_blob(self.site, data)
        task = self.run_task("sh", "-c", "cat /tmp/in /tmp/in > /tmp/out",
                             inputs={"in": blob["sha256"]}, outputs=["out"])
        self.assertEqual(task["outputs"], [{
            "name": "out", "status": "kept", "size": 2 * len(data),
            "sha256": digest(data * 2)}], task)
        answer = self.fetch(task["id"], "out")
        self.assertEqual((answer.status, answer.headers["Content-Type"]),
                         (200, BYTES))
        self.assertEqual(answer.headers["Content-Digest"],
                         content_digest(data * 2))
        self.assertEqual(digest(answer.body), digest(data * 2))

    def test_what_is_not_kept_is_404(self):
        task = self.run_task("ln", "-s", "/etc/passwd", "/tmp/link",
                             outputs=["link", "missing"])
        self.assertEqual([file["status"] for file in task["outputs"]],
                         ["link", "missing"])
        for name in ("link", "missing", "passwd"):
            self.refused(self.fetch(task["id"], name), 404, "not-found")

    def test_another_subjects_file_does_not_exist(self):
        task = self.run_task("touch", "/tmp/out", outputs=["out"])
        self.assertEqual(self.fetch(task["id"], "out").status, 200)
        self.refused(self.fetch(task["id"], "out", who="bob"),
                     404, "not-found")

    def test_a_task_that_has_not_finished(self):
        task = self.site.submit("cat", stdin={"stream": True},
                                outputs=["out"])["id"]
        self.refused(self.fetch(task, "out"), 409, "conflict")
        with put_stdin(self.site, task, 0) as body:
            self.assertEqual(body.finish().status, 200)
        self.site.finish(task)


class TestTiming(FilesCase):
    def test_a_reply_says_where_its_time_went(self):
        answer = self.site.call("POST", "/v1/tasks?wait=60",
                                self.request())
        self.assertEqual(answer.status, 201, answer.body)
        parts = dict(part.split(";dur=") for part in
                     answer.headers["Server-Timing"].split(", "))
        self.assertEqual(set(parts), {"auth", "policy", "queue", "start",
                                      "run", "audit"})
        for name, stage in (("queue", "queued_us"), ("start", "starting_us"),
                            ("run", "running_us")):
            self.assertEqual(round(float(parts[name]) * 1000),
                             answer.json["stages"][stage])

    def request(self):
        return {"image": IMAGE, "args": ["true"]}


if __name__ == "__main__":
    main()

"""`taskgate` with standard input and files: what goes along and comes back."""

import hashlib
import os
import subprocess

from harness import IMAGE, Case, main, rule

LIMITS = {**rule("", [])["limits"],
          "output": {"default": "64MiB", "max": "64MiB"},
          "stdin": {"default": "64MiB", "max": "64MiB"}}


class TransferCase(Case):
    policy = {"version": 1, "rules": [
        rule("test", ["alice"], stdin="stream", inputs=4, outputs=4,
             limits=LIMITS)]}

    def run_task(self, *words, options=(), **more):
        return self.site.client("run", *options, IMAGE, "--", *words, **more)

    def make(self, name, data):
        path = self.site.home / name
        path.write_bytes(data)
        os.chown(path, self.site.client_uid, self.site.client_uid)
        return path

    def assert_succeeds(self, done):
        self.assertEqual(done.returncode, 0, (done.stdout[:200], done.stderr))


class TestStdin(TransferCase):
    def test_what_is_piped_in_comes_out_byte_for_byte(self):
        data = os.urandom(9 * 1024 * 1024 + 3)
        done = self.run_task("cat", options=("-i",), stdin=data, text=False)
        self.assert_succeeds(done)
        self.assertEqual(hashlib.sha256(done.stdout).digest(),
                         hashlib.sha256(data).digest())

    def test_input_of_no_bytes_ends_at_once(self):
        done = self.run_task("wc", "-c", options=("-i",), stdin="")
        self.assert_succeeds(done)
        self.assertEqual(done.stdout.strip(), "0")

    def test_an_answer_comes_before_the_next_line_goes(self):
        process = self.site.client_start("run", "-i", IMAGE, "--", "cat",
                                         stdin=subprocess.PIPE)
        for line in ("one\n", "two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), line)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out, err), (0, "", ""))

    def test_a_task_that_does_not_read_it_to_the_end(self):
        done = self.run_task("head", "-c", "3", options=("-i",),
                             stdin=b"abc" + bytes(8 << 20), text=False)
        self.assert_succeeds(done)
        self.assertEqual(done.stdout, b"abc")

    def test_input_goes_along_with_the_order(self):
        for data in (b"text\n", bytes(range(256))):
            path = self.make("order", data)
            done = self.run_task("cat", options=("--stdin", path), text=False)
            self.assert_succeeds(done)
            self.assertEqual(done.stdout, data)


class TestFiles(TransferCase):
    def test_a_file_goes_there_and_another_comes_back(self):
        data = os.urandom(3 << 20)
        source = self.make("source", data)
        target = self.site.home / "target"
        done = self.run_task(
            "sh", "-c", "cat /tmp/in /tmp/in > /tmp/out",
            options=("--input", f"{source}=in", "--output", f"out={target}"))
        self.assert_succeeds(done)
        self.assertEqual(target.read_bytes(), data + data)
        self.assertEqual([path.name for path in self.site.home.iterdir()
                          if path.name.startswith((".target", "target."))], [])

    def test_a_file_that_the_task_did_not_leave_is_told(self):
        target = self.make("before", b"as it was")
        done = self.run_task("true", options=("--output", f"out={target}"))
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertIn("out", done.stderr)
        self.assertEqual(target.read_bytes(), b"as it was")

    def test_a_submitted_tasks_file_is_fetched_by_wait(self):
        target = self.site.home / "later"
        made = self.site.client("submit", "--output", "out", IMAGE, "--",
                                "sh", "-c", "echo kept > /tmp/out")
        self.assert_succeeds(made)
        done = self.site.client("wait", "--output", f"out={target}",
                                made.stdout.strip())
        self.assert_succeeds(done)
        self.assertEqual(target.read_bytes(), b"kept\n")


class TestStatus(TransferCase):
    def test_a_person_sees_start_stages_resources_and_files(self):
        task = self.site.submit("sh", "-c", "cat > /tmp/out",
                                stdin={"text": "four"}, outputs=["out"])["id"]
        self.site.finish(task)
        done = self.site.client("status", task)
        self.assert_succeeds(done)
        facts = dict(line.split(None, 1) for line in done.stdout.splitlines())
        self.assertRegex(facts["start"], r"^cold, container \d+\.\d{3} s old")
        self.assertRegex(facts["stages"],
                         r"^queued \d.* starting \d.* running \d")
        self.assertRegex(facts["cpu"], r"^user \d.* system \d")
        self.assertRegex(facts["memory"], r"^at most \d+ bytes$")
        self.assertRegex(facts["stdin"], r"^inline, 4 bytes.*, ended")
        self.assertRegex(facts["file"],
                         r"^out: kept, 4 bytes, sha256 [0-9a-f]{64}$")


if __name__ == "__main__":
    main()

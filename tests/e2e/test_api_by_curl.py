"""curl with alice's certificate, key and token does what the client does, by
docs/api.md alone: the blocks of its section "By hand" are run as they stand,
in a shell, as an ordinary user; so is the program in Python that signs."""

import hashlib
import json
import subprocess

from harness import Case, environment, main, rule
from harness_process import ROOT

IMAGE = "demo/busybox"


def blocks(language="sh", heading="By hand"):
    page = (ROOT / "docs" / "api.md").read_text()
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [part.split("\n```", 1)[0]
            for part in section.split(f"```{language}\n")[1:]]


class TestByCurl(Case):
    policy = {"version": 1, "rules": [
        rule("demo", ["alice"], image=IMAGE, stdin="stream", inputs=1,
             outputs=1)]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.engine.import_image(IMAGE)

    def block(self, words):
        """The output of the block that has these words, as the user sees
        it."""
        prelude, *rest = blocks()
        found = [block for block in rest if words in block]
        self.assertEqual(len(found), 1, words)
        return self.run_as_user("/bin/sh", "-eu", "-c",
                                f"{prelude}\n{found[0]}")

    def run_as_user(self, *words):
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=120, check=False,
            user=self.site.client_uid, group=self.site.client_uid,
            extra_groups=[], env=environment(
                HOME=str(self.site.home), TASKGATE_CONTEXT=str(
                    self.site.members["alice"].folder)))
        self.assertEqual((done.returncode, done.stderr), (0, ""),
                         done.stdout)
        return done.stdout

    def documents(self, words):
        """The JSON documents that the block printed one after another, and
        the text between them."""
        text, found = self.block(words), []
        decoder = json.JSONDecoder()
        while "{" in text:
            before, text = text[:text.index("{")], text[text.index("{"):]
            document, end = decoder.raw_decode(text)
            found += [before, document]
            text = text[end:]
        return found + [text]

    def test_whoami(self):
        _, who, _ = self.documents("/v1/whoami")
        self.assertEqual(who["subject"], "alice")
        self.assertIn("tasks:run", who["scopes"])

    def test_a_task_with_its_output_in_the_reply(self):
        _, task, _ = self.documents("exit 7")
        self.assertEqual((task["outcome"], task["exit_code"]), ("failed", 7))
        self.assertEqual((task["stdout"], task["stderr"]),
                         ("out\n", "err\n"))

    def test_a_task_followed_and_the_same_key_again(self):
        output, first, _ = self.documents("counting-1")
        self.assertEqual(output, "1\n2\n3\n")
        self.assertEqual(first["outcome"], "succeeded")
        self.assertEqual(first["limits"]["memory"], 32 << 20)
        output, second, _ = self.documents("counting-1")
        self.assertEqual((output, second["id"]), ("1\n2\n3\n", first["id"]))

    def test_files_in_and_out_and_a_streamed_input(self):
        _, blob, _, received, _, task, count = self.documents("/v1/blobs")
        numbers = "".join(f"{i}\n" for i in range(1, 1001)).encode()
        self.assertEqual(blob["sha256"],
                         hashlib.sha256(numbers).hexdigest())
        self.assertEqual(blob["size"], len(numbers))
        self.assertEqual(received, {"received": 21, "ended": True})
        self.assertEqual(task["outcome"], "succeeded")
        self.assertEqual([output["status"] for output in task["outputs"]],
                         ["kept"])
        self.assertEqual(count.strip(), "1010")

    def test_a_task_listed_and_cancelled(self):
        _, listed, _, cancelled, _, ended, _ = self.documents("DELETE")
        self.assertEqual(listed["tasks"][0]["id"], cancelled["id"])
        self.assertEqual(ended["outcome"], "cancelled")

    def test_a_refusal(self):
        head, problem, _ = self.documents("nobody/allows-this")
        self.assertIn("HTTP/1.1 403", head)
        self.assertEqual(problem["type"], "urn:taskgate:error:denied")

    def test_the_description_and_the_status(self):
        _, description, _, status, _ = self.documents("/openapi.json")
        self.assertTrue(description["openapi"].startswith("3.1"))
        self.assertIn("/v1/tasks", description["paths"])
        self.assertTrue(status["ready"])

    def test_a_task_signed_by_python(self):
        program, = blocks("python", "Signed requests")
        text = self.run_as_user("/usr/bin/python3", "-c", program)
        self.assertIn("'stdout': 'signed\\n'", text)

    def test_no_block_is_left_out(self):
        self.assertEqual(len(blocks()), 8)


if __name__ == "__main__":
    main()

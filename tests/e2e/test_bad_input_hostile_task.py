"""A task that tries to speak to the runner as if it were task-init, to trace
it, to read its memory, to take its descriptors, or to end it. It runs with
the same uid as task-init, and still ends as what it is."""

import os
import pathlib

from harness import Case, main, rule

IMAGE = "taskgate-test/intruder"


class TestHostileTask(Case):
    policy = {"version": 1, "rules": [
        rule("hostile", ["alice"], image=IMAGE)]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.engine.import_image(IMAGE, pathlib.Path(
            os.environ["TASKGATE_BIN"]).parent / "tests" / "intruder")

    def attempt(self, name):
        """Lines that the attempt printed; the task must have ended by itself
        and be known to have."""
        task = self.site.submit("intruder", name, image=IMAGE, wait=60)
        self.assertEqual(task["outcome"], "failed", task)
        self.assertEqual(task["exit_code"], 9, task)
        self.site.wait_tidy()
        return dict(line.split(": ", 1)
                    for line in task["stdout"].splitlines())

    def assert_refused(self, said):
        for what, result in said.items():
            self.assertIn(result, (
                "Operation not permitted", "Permission denied",
                "Function not implemented", "No such process"), what)

    def test_to_speak_to_the_runner_as_if_it_were_task_init(self):
        said = self.attempt("speak")
        self.assertEqual(said.get("answer", "none"), "none", said)

    def test_to_flood_the_control_socket(self):
        self.attempt("flood")
        # Another task is none the worse for it.
        task = self.site.submit("echo", "x", image=IMAGE, wait=30)
        self.assertEqual(task["stdout"], "x\n")

    def test_to_trace_task_init(self):
        self.assert_refused(self.attempt("trace"))

    def test_to_read_the_memory_of_task_init(self):
        said = self.attempt("memory")
        self.assertEqual(len(said), 5, said)
        self.assert_refused(said)

    def test_to_take_the_descriptors_of_task_init(self):
        self.assert_refused(self.attempt("descriptors"))

    def test_to_end_task_init(self):
        self.assertEqual(self.attempt("end-init"), {"init": "alive"})

    def test_a_control_folder_shows_one_socket_and_cannot_be_changed(self):
        task = self.site.submit(
            "sh", "-c", "ls /.taskgate/control; "
            "rm -f /.taskgate/control/socket || echo kept; "
            "touch /.taskgate/control/x || echo closed; "
            "echo x >/.taskgate/init || echo read-only", image=IMAGE,
            wait=30)
        self.assertEqual(task["outcome"], "succeeded", task)
        self.assertEqual(task["stdout"].split()[-3:],
                         ["kept", "closed", "read-only"])

    def test_output_in_the_form_of_frames_is_just_output(self):
        task = self.site.submit(
            "printf", r"\004\000\000\000\000\000\000\000", image=IMAGE,
            wait=30)
        self.assertEqual(task["outcome"], "succeeded")
        self.assertEqual(task["output"]["stdout"], 8)


if __name__ == "__main__":
    main()

"""How the running programs have closed themselves in. What that keeps them
from is tried in tests/unit/test_gateway_confine.c and test_runner_confine.c;
that they can do their work like that, the rest of the suite shows."""

import ctypes
import os
import pathlib
import signal

from harness import POLICY, Case, main, rule, wait_until

CREATE_RULESET = 444  # landlock_create_ruleset(2), on every architecture

# Starts a program on what seems to be a kernel without Landlock.
WITHOUT_LANDLOCK = f"""
import ctypes, os, struct, sys
rules = ((0x20, 0, 0, 0), (0x15, 0, 1, {CREATE_RULESET}),
         (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000))
code = ctypes.create_string_buffer(
    b"".join(struct.pack("HBBI", *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))
program = Program(len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def landlock_of_the_kernel():
    return max(0, ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, 1))


def is_sanitized(program):
    """Then seccomp is left out, because LeakSanitizer needs ptrace."""
    return b"__asan_init" in pathlib.Path(program).read_bytes()


class TestConfinement(Case):
    def processes(self):
        return self.site.gateway, self.site.runner

    def threads(self, process):
        """/proc/PID/task/*/status of each thread: field to text."""
        folder = pathlib.Path(f"/proc/{process.pid}/task")
        for entry in os.listdir(folder):
            text = (folder / entry / "status").read_text()
            yield {name: value.strip() for name, _, value in
                   (line.partition(":") for line in text.splitlines())}

    def test_every_thread_is_closed_in(self):
        # The runner's threads for files come with the work for them.
        self.site.finish(self.site.submit("echo", "x")["id"])
        for process in self.processes():
            threads = list(self.threads(process))
            self.assertGreaterEqual(len(threads), 2, process.name)
            expected = "0" if is_sanitized(process.arguments[0]) else "2"
            for thread in threads:
                self.assertEqual(thread["NoNewPrivs"], "1", thread)
                self.assertEqual(thread["Seccomp"], expected, thread)

    def test_it_is_closed_in_before_it_listens_to_anybody(self):
        events = [line.split("event=")[1].split()[0]
                  for line in self.site.gateway.log().splitlines()]
        self.assertLess(events.index("confine.closed"),
                        events.index("gateway.started"))
        events = [line.split("event=")[1].split()[0]
                  for line in self.site.runner.log().splitlines()]
        self.assertEqual(events[0], "confine.closed")

    def test_the_log_says_how_much_of_landlock_there_is(self):
        offered = landlock_of_the_kernel()
        for process in self.processes():
            line = next(line for line in process.log().splitlines()
                        if "event=confine." in line)
            self.assertIn(f"landlock={min(offered, 9)}" if offered >= 2
                          else "confine.no_landlock", line)

    def test_no_descriptor_leads_to_what_is_not_its_own(self):
        allowed = (str(self.site.folder), "socket:", "pipe:", "anon_inode:",
                   "/memfd:", "/dev/null")
        for process in self.processes():
            for target in process.descriptors().values():
                self.assertTrue(target.startswith(allowed),
                                (process.name, target))

    def test_what_is_replaced_by_a_rename_is_read_again(self):
        path = self.site.etc / "policy.json"
        before = path.read_text()
        self.addCleanup(path.write_text, before)
        new = self.site.etc / "policy.json.new"
        self.site.write_policy({**POLICY, "rules": [
            *POLICY["rules"], rule("more", ["alice"])]})
        path.rename(new)
        new.chmod(0o644)
        new.rename(path)
        for process, event in ((self.site.gateway, "gateway.reloaded"),
                               (self.site.runner, "policy.loaded")):
            seen = process.log().count(event)
            process.send(signal.SIGHUP)
            wait_until(lambda: process.log().count(event) > seen,
                       what=f"{event} of {process.name}")
        self.site.finish(self.site.submit("echo", "x")["id"])


class TestWithoutLandlock(Case):
    """On a kernel that lacks it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for process in (cls.site.gateway, cls.site.runner):
            process.stop()
            process.arguments = ["/usr/bin/python3", "-c", WITHOUT_LANDLOCK,
                                 *process.arguments]
        cls.site.start()

    def test_both_start_and_say_so_and_serve(self):
        for process in (self.site.gateway, self.site.runner):
            last = [line for line in process.log().splitlines()
                    if "event=confine." in line][-1]
            self.assertIn("event=confine.no_landlock", last)
            self.assertIn("level=warning", last)
        ended = self.site.finish(self.site.submit("echo", "x")["id"])
        self.assertEqual(ended["outcome"], "succeeded")


if __name__ == "__main__":
    main()

"""One task from its request to its end, through the HTTP interface."""

import base64
import hashlib
import uuid

from harness import IMAGE, Case, main, wait_until


class TestEnds(Case):
    """How a task can end, and what is said about it."""

    def test_output_goes_to_the_right_streams_and_the_exit_code_comes_back(
            self):
        task = self.site.submit(
            "sh", "-c", "echo out; echo err >&2; exit 7", wait=30)
        self.assertEqual(task["state"], "finished")
        self.assertEqual(task["outcome"], "failed")
        self.assertEqual(task["exit_code"], 7)
        self.assertEqual(task["stdout"], "out\n")
        self.assertEqual(task["stderr"], "err\n")
        self.assertEqual(task["output"], {
            "stdout": 4, "stderr": 4, "truncated": False,
            "stdout_sha256": hashlib.sha256(b"out\n").hexdigest(),
            "stderr_sha256": hashlib.sha256(b"err\n").hexdigest()})
        self.assertNotIn("signal", task)

    def test_success_is_exit_code_zero(self):
        task = self.site.submit("true", wait=30)
        self.assertEqual(task["outcome"], "succeeded")
        self.assertEqual(task["exit_code"], 0)

    def test_a_signal_is_told_by_name(self):
        task = self.site.submit("sh", "-c", "kill -9 $$", wait=30)
        self.assertEqual(task["outcome"], "killed")
        self.assertEqual(task["signal"], "KILL")
        self.assertNotIn("exit_code", task)

    def test_a_task_over_its_time_is_ended(self):
        task = self.site.submit("sleep", "600", wait=30,
                                limits={"timeout": "1s"})
        self.assertEqual(task["outcome"], "timed_out")
        self.site.wait_tidy()

    def test_a_task_over_its_time_that_ignores_term_is_ended_too(self):
        task = self.site.submit(
            "sh", "-c", "trap '' TERM; while :; do sleep 1; done", wait=0,
            limits={"timeout": 1})
        self.assertEqual(self.site.finish(task["id"])["outcome"],
                         "timed_out")
        self.site.wait_tidy()

    def test_a_task_over_its_memory_is_told_so(self):
        task = self.site.submit("dd", "if=/dev/zero", "of=/dev/null",
                                "bs=256M", "count=1", wait=30,
                                limits={"memory": "16MiB"})
        self.assertEqual(task["outcome"], "out_of_memory", task)
        self.assertTrue(task["resources"]["oom_killed"])

    def test_resources_are_reported(self):
        task = self.site.submit(
            "sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done",
            wait=30)
        self.assertGreater(task["resources"]["user_us"], 0)
        self.assertGreater(task["resources"]["memory_peak"], 0)
        self.assertFalse(task["resources"]["oom_killed"])

    def test_the_task_says_what_was_granted_and_what_ran(self):
        task = self.site.submit("true", wait=30, env={"LANG": "C"},
                                limits={"memory": "32MiB", "cpus": "0.5"})
        self.assertEqual(task["subject"], "alice")
        self.assertEqual(task["image"], IMAGE)
        self.assertEqual(task["image_id"], self.site.engine.image_id())
        self.assertEqual(task["args"], ["true"])
        self.assertEqual(task["env"], ["LANG"])
        self.assertEqual(task["limits"]["memory"], 32 << 20)
        self.assertEqual(task["limits"]["cpus"], "0.5")
        self.assertEqual(uuid.UUID(task["id"]).version, 7)
        self.assertLessEqual(task["created_at"], task["started_at"])
        self.assertLessEqual(task["started_at"], task["finished_at"])


class TestOutput(Case):
    def test_bytes_that_are_not_text_come_in_base64(self):
        task = self.site.submit(
            "printf", r"\377\000x", wait=30)
        self.assertNotIn("stdout", task)
        self.assertEqual(base64.b64decode(task["stdout_base64"]),
                         b"\xff\0x")

    def test_large_output_is_read_apart_and_complete(self):
        task = self.site.submit("seq", "1", "200000", wait=60)
        self.assertEqual(task["outcome"], "succeeded")
        self.assertNotIn("stdout", task)
        expected = "".join(f"{n}\n" for n in range(1, 200001)).encode()
        self.assertEqual(task["output"]["stdout"], len(expected))
        self.assertEqual(self.site.output(task["id"]), expected)
        self.assertEqual(self.site.output(task["id"], offset=1000000),
                         expected[1000000:])
        self.assertEqual(self.site.output(task["id"], "stderr"), b"")

    def test_an_offset_behind_the_end_is_422(self):
        task = self.site.submit("echo", "x", wait=30)
        answer = self.site.call(
            "GET", f"/v1/tasks/{task['id']}/output?offset=3")
        self.assertEqual((answer.status, answer.problem),
                         (422, "unprocessable"))
        self.assertEqual(self.site.output(task["id"], offset=2), b"")

    def test_follow_brings_each_line_while_the_task_runs(self):
        # The task goes on only when it is told to: what arrives before has
        # not waited for its end.
        task = self.site.submit(
            "sh", "-c", "trap 'echo two; exit 0' USR1; echo one; "
            "while :; do sleep 1 & wait; done")
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task['id']}/output?follow=1"))
            response = wire.response()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.read(4), b"one\n")
            answer = self.site.call(
                "POST", f"/v1/tasks/{task['id']}/signal", {"signal": "USR1"})
            self.assertEqual(answer.status, 204)
            self.assertEqual(response.read(), b"two\n")
        self.assertEqual(self.site.finish(task["id"])["outcome"],
                         "succeeded")

    def test_without_follow_what_is_there_now_is_the_answer(self):
        task = self.site.submit("sh", "-c", "echo now; sleep 600")
        wait_until(lambda: self.site.output(task["id"]) == b"now\n",
                   what="the first line")
        self.site.call("DELETE", f"/v1/tasks/{task['id']}?grace=0")
        self.site.finish(task["id"])


class TestCancel(Case):
    def submit_and_wait(self, script):
        task = self.site.submit("sh", "-c", script)
        wait_until(lambda: self.site.output(task["id"]) == b"ready\n",
                   what="the task's first line")
        return task["id"]

    def test_cancel_sends_term_and_the_task_may_tidy_up(self):
        task = self.submit_and_wait(
            "trap 'echo tidied >&2; exit 3' TERM; echo ready; "
            "while :; do sleep 1 & wait; done")
        answer = self.site.call("DELETE", f"/v1/tasks/{task}?grace=60")
        self.assertEqual(answer.status, 202)
        ended = self.site.finish(task)
        self.assertEqual(ended["outcome"], "cancelled")
        self.assertEqual(ended["exit_code"], 3)
        self.assertEqual(self.site.output(task, "stderr"), b"tidied\n")

    def test_what_ignores_term_is_killed_after_the_grace(self):
        task = self.submit_and_wait(
            "trap '' TERM; echo ready; while :; do sleep 1; done")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=1")
        self.assertEqual(self.site.finish(task)["outcome"], "cancelled")

    def test_a_finished_task_stays_as_it_is(self):
        task = self.site.submit("true", wait=30)
        answer = self.site.call("DELETE", f"/v1/tasks/{task['id']}")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["outcome"], "succeeded")

    def test_a_signal_to_a_finished_task_is_a_conflict(self):
        task = self.site.submit("true", wait=30)
        answer = self.site.call("POST", f"/v1/tasks/{task['id']}/signal",
                                {"signal": "HUP"})
        self.assertEqual((answer.status, answer.problem), (409, "conflict"))

    def test_children_end_with_the_task(self):
        task = self.submit_and_wait("sleep 600 & echo ready; wait")
        self.site.call("DELETE", f"/v1/tasks/{task}?grace=0")
        self.site.finish(task)
        self.site.wait_tidy()


class TestWhoseTask(Case):
    def test_another_subjects_task_does_not_exist(self):
        task = self.site.submit("true", wait=30)["id"]
        for method, path in (("GET", ""), ("DELETE", ""),
                             ("GET", "/output")):
            answer = self.site.call(method, f"/v1/tasks/{task}{path}",
                                    who="bob")
            self.assertEqual((answer.status, answer.problem),
                             (404, "not-found"), (method, path))
        listed = self.site.call("GET", "/v1/tasks", who="bob").json["tasks"]
        self.assertNotIn(task, [entry["id"] for entry in listed])

    def test_whoever_may_read_all_sees_it_and_that_is_on_record(self):
        task = self.site.submit("true", wait=30)["id"]
        self.site.enroll("auditor", scopes=("tasks:read", "tasks:read:all"))
        self.assertEqual(self.site.task(task, who="auditor")["subject"],
                         "alice")
        wait_until(lambda: any(
            record["event"] == "task.read_by_other"
            for record in self.site.audit(task)), what="the record")

    def test_the_list_is_paged_newest_first(self):
        made = [self.site.submit("true", wait=30)["id"] for _ in range(5)]
        found, path = [], "/v1/tasks?limit=2"
        while path:
            answer = self.site.call("GET", path)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertLessEqual(len(answer.json["tasks"]), 2)
            found += [entry["id"] for entry in answer.json["tasks"]]
            link = answer.headers["Link"]
            path = None
            if link:
                target, rel = link.split(";")
                self.assertEqual(rel.strip(), 'rel="next"')
                path = target.strip("<> ")
        self.assertEqual(found, sorted(found, reverse=True))
        self.assertTrue(set(made) <= set(found))
        self.assertEqual(len(found), len(set(found)))


class TestIdempotency(Case):
    def post(self, key, body, who="alice"):
        return self.site.call("POST", "/v1/tasks?wait=30", body, who=who,
                              headers={"Idempotency-Key": key})

    def test_the_same_key_and_body_is_the_same_task(self):
        body = {"image": IMAGE, "args": ["echo", "once"]}
        first, second = self.post("k1", body), self.post("k1", body)
        self.assertEqual((first.status, second.status), (201, 200))
        self.assertEqual(first.json["id"], second.json["id"])

    def test_another_body_under_the_key_is_a_conflict(self):
        self.post("k2", {"image": IMAGE, "args": ["echo", "a"]})
        answer = self.post("k2", {"image": IMAGE, "args": ["echo", "b"]})
        self.assertEqual((answer.status, answer.problem), (409, "conflict"))

    def test_another_subject_has_keys_of_its_own(self):
        body = {"image": IMAGE, "args": ["true"]}
        first = self.post("k3", body)
        second = self.post("k3", body, who="bob")
        self.assertEqual(second.status, 201)
        self.assertNotEqual(first.json["id"], second.json["id"])

    def test_a_key_survives_the_runner(self):
        body = {"image": IMAGE, "args": ["true"]}
        first = self.post("k4", body)
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        again = self.post("k4", body)
        self.assertEqual(again.status, 200)
        self.assertEqual(again.json["id"], first.json["id"])


class TestSurroundings(Case):
    """What a task finds around it."""

    def shell(self, script, **members):
        task = self.site.submit("sh", "-c", script, wait=30, **members)
        self.assertIn("stdout", task, task)
        return task

    def test_it_is_the_tasks_uid_and_group_and_no_other(self):
        task = self.shell("id -u; id -g; id -G")
        number = str(self.site.task_uid)
        self.assertEqual(task["stdout"].split(), [number] * 3)

    def test_it_has_no_capabilities_and_gains_no_privileges(self):
        status = dict(line.split(":\t", 1) for line in self.shell(
            "cat /proc/self/status")["stdout"].splitlines())
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")

    def test_the_root_file_system_is_read_only_and_tmp_is_not(self):
        task = self.shell("echo x >/file || echo refused; "
                          "echo y >/tmp/file && cat /tmp/file")
        self.assertEqual(task["stdout"], "refused\ny\n")

    def test_tmp_has_a_size(self):
        task = self.shell("dd if=/dev/zero of=/tmp/f bs=1M count=64 "
                          "2>/dev/null || echo full",
                          limits={"tmp": "4MiB"})
        self.assertEqual(task["stdout"], "full\n")

    def test_it_has_no_network_but_loopback(self):
        task = self.shell("ls /sys/class/net")
        self.assertEqual(task["stdout"].split(), ["lo"])

    def test_it_cannot_have_more_processes_than_its_limit(self):
        task = self.site.submit(
            "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
            "sleep 30 & done", wait=30, limits={"pids": 6})
        self.assertNotEqual(task["outcome"], "succeeded", task)
        self.assertIn("fork", task["stderr"])

    def test_its_environment_is_the_images_and_what_was_asked_for(self):
        task = self.shell("env", env={"GREETING": "hello there"})
        lines = task["stdout"].splitlines()
        self.assertIn("GREETING=hello there", lines)
        self.assertIn("PATH=/bin", lines)
        self.assertFalse([line for line in lines if "TASKGATE" in line])

    def test_arguments_arrive_byte_for_byte(self):
        odd = ["a b", "", "'\"$x`y`\\", "-n", "\u00e9\u4e16", "line\nline"]
        task = self.site.submit(
            "sh", "-c", 'for a; do printf "[%s]" "$a"; done', "sh", *odd,
            wait=30)
        self.assertEqual(task["stdout"], "".join(f"[{a}]" for a in odd))

    def test_standard_input_is_empty(self):
        self.assertEqual(self.shell("cat; echo end")["stdout"], "end\n")


class TestRecord(Case):
    def test_submission_start_and_end_are_on_record_in_order(self):
        task = self.site.submit("true", wait=30)["id"]
        wait_until(lambda: len(self.site.audit(task)) >= 3,
                   what="three records")
        records = self.site.audit(task)
        self.assertEqual([record["event"] for record in records],
                         ["task.accepted", "task.started", "task.finished"])
        numbers = [record["seq"] for record in records]
        self.assertEqual(numbers, sorted(numbers))

    def test_values_of_the_environment_are_not_on_record(self):
        secret = "swordfish-" + uuid.uuid4().hex
        task = self.site.submit("sh", "-c", "true", wait=30,
                                env={"PASSWORD": secret})["id"]
        text = str(self.site.audit(task))
        self.assertIn("PASSWORD", text)
        self.assertNotIn(secret, text)
        for process in (self.site.runner, self.site.gateway):
            self.assertNotIn(secret, process.log())

    def test_tokens_are_in_no_log_and_no_record(self):
        self.site.submit("true", wait=30)
        signature = self.site.members["alice"].token.rsplit(".", 1)[1]
        for text in (self.site.runner.log(), self.site.gateway.log(),
                     str(self.site.audit())):
            self.assertNotIn(signature, text)


if __name__ == "__main__":
    main()

"""What a rule grants is what the task gets: subjects and roles, the image by
each of its names, limits, user; and a new policy is in force without a
restart."""

import hashlib
import json
import signal

from harness import IMAGE, Case, main, rule, wait_until

ANYTHING = [{"rest": {"pattern": "**"}}]
MEMORY = ("cat /sys/fs/cgroup/memory.max 2>/dev/null || "
          "cat /sys/fs/cgroup/memory/memory.limit_in_bytes")


def policy(*rules):
    return {"version": 1, "rules": list(rules)}


class TestGranted(Case):
    policy = policy(
        rule("greeting", ["alice"],
             args=["echo", {"rest": {"pattern": "[a-z]*"}, "max": 2}]),
        rule("developers", ["role:dev"], args=ANYTHING,
             limits={"memory": {"default": "32MiB", "max": "48MiB"}},
             user={"uid": 2345, "gid": 2346}),
        rule("command", ["ci-*"]) | {"args": []},
        rule("any-tag", ["dave"], image=f"{IMAGE}*:[a-z]*",
             args=[{"enum": ["sleep"]}, {"integer": {"min": 1, "max": 900}}],
             env={"LANG": {"enum": ["C", "de"]}},
             limits={"cpus": {"default": "0.5", "max": "1.5"},
                     "pids": {"default": 20, "max": 30}}),
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.enroll("carol", roles=["dev"])
        cls.site.enroll("ci-7", roles=["developers"])
        cls.site.enroll("dave")

    def ask(self, who, *args, **members):
        return self.site.call(
            "POST", "/v1/tasks?wait=30",
            {"image": IMAGE, "args": list(args), **members}, who=who)

    def assert_runs(self, name, who, *args, **members):
        answer = self.ask(who, *args, **members)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.json["rule"], name)
        self.assertEqual(answer.json["outcome"], "succeeded", answer.body)
        return answer.json

    def assert_denied(self, name, condition, who, *args, **members):
        answer = self.ask(who, *args, **members)
        self.assertEqual((answer.status, answer.problem), (403, "denied"))
        self.assertEqual(answer.json.get("rule"), name)
        self.assertEqual(answer.json.get("condition"), condition)

    def test_a_role_grants_what_a_name_does_not(self):
        self.assert_runs("developers", "carol", "true")
        self.assert_denied(None, None, "bob", "true")
        self.assert_denied("greeting", "args[0]", "alice", "true")
        # A role that is called almost like it.
        self.assert_denied("command", "args", "ci-7", "true")

    def test_a_pattern_of_subjects_and_the_images_own_command(self):
        answer = self.site.call("POST", "/v1/tasks", {"image": IMAGE},
                                who="ci-7")
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.json["rule"], "command")
        self.assertEqual(answer.json["args"], [])

    def test_the_image_by_each_of_its_names(self):
        for image in (IMAGE, f"{IMAGE}:latest"):
            with self.subTest(image=image):
                task = self.assert_runs(
                    "greeting", "alice", "echo", "hello", image=image)
                self.assertEqual(task["stdout"], "hello\n")
        identity = self.site.engine.image_id()
        for image in (identity, f"{IMAGE}@{identity}", f"docker.io/{IMAGE}",
                      f"{IMAGE}:other"):
            with self.subTest(image=image):
                self.assert_denied(None, None, "alice", "echo", image=image)

    def test_what_could_be_the_beginning_of_an_image_id_is_no_name(self):
        identity = self.site.engine.image_id().removeprefix("sha256:")
        for image in (identity, identity[:12], f"sha256:{identity[:12]}"):
            with self.subTest(image=image):
                answer = self.ask("carol", "true", image=image)
                self.assertEqual(answer.problem, "unprocessable")
                self.assertTrue(answer.detail.startswith("image: "))

    def test_the_default_of_a_limit_and_what_is_asked_for(self):
        for asked, expected in (({}, 32), ({"memory": "48MiB"}, 48),
                                ({"memory": "16MiB"}, 16)):
            with self.subTest(asked=asked):
                task = self.assert_runs(
                    "developers", "carol", "sh", "-c", MEMORY, limits=asked)
                self.assertEqual(task["limits"]["memory"], expected << 20)
                self.assertEqual(int(task["stdout"]), expected << 20)
        self.assert_denied("developers", "limits.memory", "carol", "true",
                           limits={"memory": (48 << 20) + 1})

    def test_a_pattern_of_images_and_what_the_engine_was_asked_for(self):
        for asked, cpus, pids in (({}, 500000000, 20),
                                  ({"cpus": "1.25", "pids": 30},
                                   1250000000, 30)):
            answer = self.site.call("POST", "/v1/tasks", {
                "image": IMAGE, "args": ["sleep", "600"],
                "env": {"LANG": "de"}, "limits": asked}, who="dave")
            self.assertEqual(answer.json["rule"], "any-tag", answer.body)
            task = answer.json["id"]
            started = wait_until(lambda: [
                record for record in self.site.audit(task)
                if record["event"] == "task.started"], what="the start")[0]
            found = self.site.engine.inspect(started["object"]["container"])
            # task-init is one more.
            self.assertEqual((found["HostConfig"]["NanoCpus"],
                              found["HostConfig"]["PidsLimit"] - 1),
                             (cpus, pids))
            self.assertEqual(found["Image"], self.site.engine.image_id())
            self.site.call("DELETE", f"/v1/tasks/{task}?grace=0", who="dave")
            self.site.finish(task, who="dave")
        for condition, members in (
                ("env.LANG", {"env": {"LANG": "fr"}}),
                ("limits.cpus", {"limits": {"cpus": "1.51"}}),
                ("args[1]", {"args": ["sleep", "901"]})):
            self.assert_denied("any-tag", condition, "dave", *members.pop(
                "args", ["sleep", "1"]), **members)
        self.assert_denied(None, None, "dave", "sleep", "1",
                           image=f"{IMAGE}:1")

    def test_the_user_of_the_rule(self):
        task = self.assert_runs(
            "developers", "carol", "sh", "-c", "id -u; id -g; id -G")
        self.assertEqual(task["stdout"].split(), ["2345", "2346", "2346"])

    def test_the_value_of_a_variable_is_repeated_nowhere(self):
        answer = self.ask("alice", "echo", env={"LANG": "C",
                                                "SECRET": "hunter2"})
        self.assertEqual(answer.json["condition"], "env.SECRET")
        self.assertNotIn(b"hunter2", answer.body)
        for process in (self.site.gateway, self.site.runner):
            self.assertNotIn("hunter2", process.log())

        def records():
            return [record for record in self.site.audit()
                    if "env.SECRET" in json.dumps(record)]
        self.assertNotIn("hunter2", json.dumps(
            wait_until(records, what="the record")))


class TestReload(Case):
    policy = policy(rule("old", ["alice"], args=["true"]))

    def put_in_force(self, new):
        self.site.write_policy(new)
        digest = hashlib.sha256(
            (self.site.etc / "policy.json").read_bytes()).hexdigest()
        for process in (self.site.gateway, self.site.runner):
            process.send(signal.SIGHUP)
        for process in (self.site.gateway, self.site.runner):
            wait_until(lambda: digest in process.log(),
                       what=f"the new policy in {process.name}'s log")
        return digest

    def test_a_new_policy_is_in_force_and_on_record(self):
        identity = self.site.engine.image_id()
        self.assertEqual(self.site.submit("true", wait=30)["rule"], "old")
        digest = self.put_in_force(policy(
            rule("new", ["alice"], args=["echo", "new"]) | {
                "image": identity}))
        answer = self.site.call("POST", "/v1/tasks",
                                {"image": IMAGE, "args": ["true"]})
        self.assertEqual(answer.problem, "denied")
        task = self.site.submit("echo", "new", wait=30, image=identity)
        self.assertEqual((task["rule"], task["stdout"]), ("new", "new\n"))
        loaded = [record for record in self.site.audit()
                  if record["event"] == "policy.loaded"]
        self.assertIn(digest, json.dumps(loaded))


if __name__ == "__main__":
    main()

"""Named tasks: the caller fills in params, and the policy says what runs."""

from harness import IMAGE, Case, main, rule, wait_until

SHOW = 'for a; do printf "[%s]" "$a"; done'
PARAMS = {
    "width": {"integer": {"min": 16, "max": 4096}},
    "mode": {"enum": ["fit", "crop"], "default": "fit"},
    "name": {"string": {"max": 64}, "default": "a.png"},
}
POLICY = {"version": 1, "rules": [
    rule("resize", ["alice"], task="resize", params=PARAMS,
         args=["sh", "-c", SHOW, "x", "--{mode}={width}x{width}", "{name}",
               "{{{name}}}"], user={"uid": 2345, "gid": 2346}),
    rule("plain", ["alice"], task="plain", args=["id", "-u"],
         user={"uid": 0, "gid": 0}),
]}


class TestNamedTasks(Case):
    policy = POLICY

    def run_task(self, task, who="alice", **params):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"task": task, "params": params}, who=who)

    def test_params_become_arguments_of_the_fixed_image(self):
        answer = self.run_task("resize", width=300, mode="crop", name="b.png")
        self.assertEqual(answer.status, 201, answer.body)
        task = answer.json
        self.assertEqual(task["outcome"], "succeeded", answer.body)
        self.assertEqual(task["stdout"],
                         "[--crop=300x300][b.png][{b.png}]")
        self.assertEqual(
            (task["task"], task["params"], task["rule"]),
            ("resize", {"width": "300", "mode": "crop", "name": "b.png"},
             "resize"))
        self.assertEqual(task["image"], f"{IMAGE}:latest")
        self.assertEqual(task["image_id"], self.site.engine.image_id())
        self.assertEqual(task["args"][-1], "{b.png}")
        # The same from the store, where nothing but the row is left of it.
        again = self.site.call("GET", f"/v1/tasks/{task['id']}").json
        self.assertEqual(again["args"], task["args"])

        def records():
            return [record for record in self.site.audit()
                    if record["object"].get("task") == task["id"]]
        accepted = wait_until(records, what="the record")[0]
        self.assertEqual(accepted["object"]["image"], f"{IMAGE}:latest")
        self.assertEqual(accepted["untrusted"]["task"], "resize")
        self.assertEqual(accepted["untrusted"]["params"]["width"], 300)

    def test_what_no_param_may_be_is_told_with_what_would_pass(self):
        for name, value, words in (
                ("width", "15", "16 to 4096"), ("width", "0x20", "16"),
                ("mode", "--help", "fit, crop"), ("name", "-rf", "dash"),
                ("name", "../etc/passwd", "part"), ("name", "a b", "letters"),
                ("name", "a;id", "letters"), ("name", "\u0430.png", "letters"),
                ("name", "a\nb", "letters"), ("name", "a" * 65, "64 bytes"),
                ("height", "1", "width")):
            with self.subTest(name=name, value=value):
                answer = self.run_task("resize", **{"width": 20, name: value})
                self.assertEqual(answer.problem, "denied", answer.body)
                self.assertEqual(answer.json["condition"], f"params.{name}")
                self.assertIn(words, answer.detail)
        missing = self.run_task("resize")
        self.assertEqual(missing.json["condition"], "params.width")
        self.assertIn("16 to 4096", missing.detail)

    def test_its_image_is_not_to_be_had_by_its_name(self):
        for body in ({"image": IMAGE, "args": ["id"]}, {"image": "plain"},
                     {"image": "resize:latest"}):
            answer = self.site.call("POST", "/v1/tasks", body)
            self.assertEqual(answer.problem, "denied", answer.body)
            self.assertNotIn("rule", answer.json)
        stranger = self.run_task("resize", who="bob", width=20)
        self.assertEqual(stranger.detail,
                         "no rule lets you run the task resize")
        both = self.site.call("POST", "/v1/tasks",
                              {"task": "plain", "image": IMAGE})
        self.assertEqual(both.problem, "unprocessable", both.body)

    def test_the_client_runs_and_submits_them(self):
        done = self.site.client("run", "resize", "--param", "width=20",
                                "-p", "name=c.png")
        self.assertEqual((done.returncode, done.stdout),
                         (0, "[--fit=20x20][c.png][{c.png}]"), done.stderr)
        done = self.site.client("run", "--task", "plain")
        self.assertEqual((done.returncode, done.stdout), (0, "0\n"),
                         done.stderr)
        for width, code in (("16", 0), ("15", 1)):
            done = self.site.client("can-i", "run", "resize", "-p",
                                    f"width={width}")
            self.assertEqual(done.returncode, code, done.stderr)
        done = self.site.client("submit", "resize", "--param", "width=7")
        self.assertEqual(done.returncode, 5, done.stderr)
        for word in ("resize", "params.width", "16 to 4096"):
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    main()

"""Which image runs, and what of it: entry points, pinned tags, digests that a
request must name."""

from harness import IMAGE, Case, Engine, main, rule

ANY = [{"rest": {"pattern": "**"}, "max": 3}]


def policy(image_id):
    return {"version": 1, "rules": [
        rule("entry", ["alice"], image=f"{IMAGE}:entry", digest=image_id,
             entrypoint=["echo", "from", "the rule"], args=ANY),
        rule("bare", ["alice"], image=IMAGE, entrypoint=[],
             args=["echo", {"pattern": "[a-z]*"}]),
        rule("gone", ["alice"], image=f"{IMAGE}:gone", args=ANY,
             digest=f"sha256:{'0' * 64}"),
        rule("exact", ["bob"], image=IMAGE, digest_required=True, args=ANY),
    ]}


class TestImages(Case):
    @classmethod
    def setUpClass(cls):
        engine = Engine.of_the_suite()
        engine.import_image()
        cls.image_id = engine.image_id()
        cls.policy = policy(cls.image_id)
        super().setUpClass()

    def ask(self, image, *args, who="alice"):
        return self.site.call("POST", "/v1/tasks?wait=30",
                              {"image": image, "args": list(args)}, who=who)

    def test_the_entry_point_of_the_rule_runs_and_no_command(self):
        for args, expected in (((), "from the rule\n"),
                               (("a", "b c"), "from the rule a b c\n")):
            task = self.ask(f"{IMAGE}:entry", *args).json
            self.assertEqual(task.get("stdout"), expected, task)
        task = self.ask(IMAGE, "echo", "bare").json
        self.assertEqual((task["rule"], task["stdout"]), ("bare", "bare\n"))

    def test_a_pinned_tag_runs_its_digest_whatever_the_tag_means(self):
        # There is no such tag, and its image is there.
        task = self.ask(f"{IMAGE}:entry").json
        self.assertEqual((task["image"], task["image_id"]),
                         (f"{IMAGE}:entry", self.image_id))
        task = self.ask(f"{IMAGE}:gone", "true").json
        self.assertEqual((task["outcome"], task["reason"]),
                         ("not_started", "image"), task)

    def test_a_digest_is_required_where_the_rule_says_so(self):
        task = self.ask(f"{IMAGE}@{self.image_id}", "true", who="bob").json
        self.assertEqual((task["outcome"], task["image_id"]),
                         ("succeeded", self.image_id), task)
        for image in (IMAGE, f"{IMAGE}:1"):
            answer = self.ask(image, "true", who="bob")
            self.assertEqual(answer.problem, "denied", answer.body)
            self.assertEqual(answer.json["condition"], "digest_required")
            self.assertIn(f"{IMAGE}@sha256:", answer.detail)


if __name__ == "__main__":
    main()

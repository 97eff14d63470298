"""What a caller may run, and the decision that a request would get: asked by
HTTP and by the client, and the same as what a submission is then told."""

import json
import signal
import time

from harness import IMAGE, Case, main, wait_until

RULES = [
    {"id": "greet", "description": "Say hello", "subjects": ["alice"],
     "image": IMAGE,
     "args": ["echo", {"enum": ["hello", "good day"]},
              {"integer": {"min": 1, "max": 9}},
              {"rest": {"pattern": "[a-z]*"}, "max": 2}],
     "env": {"LANG": {"enum": ["C", "de"]}, "//": "not for callers"},
     "limits": {"memory": {"default": "32MiB", "max": "48MiB"},
                "stdin": {"max": 3}},
     "stdin": "inline", "inputs": 1, "outputs": 1},
    {"id": "others", "subjects": ["bob"], "image": IMAGE,
     "args": [{"rest": {"pattern": "**"}}]},
    {"id": "second", "subjects": ["al*"], "image": IMAGE, "args": ["true"],
     "unsigned": True},
    {"id": "named", "subjects": ["alice"], "task": "greeting", "image": IMAGE,
     "args": ["echo", "{word}", "{times}"],
     "params": {"word": {"enum": ["hello", "bye"]},
                "times": {"integer": {"min": 1, "max": 9}, "default": 2}}},
    {"id": "over", "subjects": ["bob"], "task": "old", "image": IMAGE,
     "expires": "2020-01-01T00:00:00Z"},
    {"id": "never", "subjects": ["bob"], "task": "late", "image": IMAGE,
     "hours": [{"from": "00:00", "to": "00:01", "days": [
         ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[
             (time.gmtime().tm_wday + 3) % 7]]}]},
    {"id": "exact", "subjects": ["bob"], "image": "taskgate-test/exact",
     "digest_required": True},
    {"id": "shadow", "subjects": ["bob"], "task": "late", "image": IMAGE,
     "mode": "shadow"},
    {"id": "third", "subjects": ["role:dev"], "image": "demo/*"},
]
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
GOOD = {"image": IMAGE, "args": ["echo", "hello", "5"]}
# What the first rule denies: the condition, what is changed, what would pass.
DENIED = [
    ("args[0]", {"args": ["rm", "hello", "5"]}, "echo"),
    ("args[1]", {"args": ["echo", "bye", "5"]}, 'hello, "good day"'),
    ("args[2]", {"args": ["echo", "hello", "10"]}, "from 1 to 9"),
    ("args[3]", {"args": ["echo", "hello", "5", "A"]}, "[a-z]*"),
    ("args", {"args": ["echo", "hello"]}, "3"),
    ("args", {"args": ["echo", "hello", "5", "a", "b", "c"]}, "5"),
    ("env.LANG", {"env": {"LANG": "fr"}}, "C, de"),
    ("env.PATH", {"env": {"PATH": "/"}}, "LANG"),
    ("stdin", {"stdin": {"text": "four"}}, "3"),
    ("stdin", {"stdin": {"stream": True}},
     "only come with the request"),
    ("inputs", {"inputs": {"a": DIGEST, "b": DIGEST}}, "1"),
    ("outputs", {"outputs": ["a", "b"]}, "1"),
    ("limits.memory", {"limits": {"memory": "49MiB"}}, "48MiB"),
    ("limits.timeout", {"limits": {"timeout": 61}}, "at most 1m"),
]


class TestCatalog(Case):
    policy = {"version": 1, "rules": RULES}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.enroll("carol", roles=["dev"])
        cls.site.enroll("reader", scopes=["tasks:read"])

    def catalog(self, query="", **more):
        answer = self.site.call("GET", f"/v1/catalog{query}", **more)
        self.assertEqual(answer.status, 200, answer.body)
        return answer

    def explain(self, order, **more):
        answer = self.site.call("POST", "/v1/explain", order, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def names(self, answer):
        return [rule["rule"] for rule in answer.json["rules"]]

    # -- GET /v1/catalog

    def test_the_catalog_lists_the_rules_that_name_the_caller(self):
        for who, expected in (("alice", ["greet", "second", "named"]),
                              ("bob", ["others", "never", "exact"]), ("carol", ["third"])):
            self.assertEqual(self.names(self.catalog(who=who)), expected)
        text = self.catalog().body.decode()
        for hidden in ("not for callers", "subjects", "bob", "others"):
            self.assertNotIn(hidden, text)
        greet = json.loads(text)["rules"][0]
        self.assertEqual(
            greet["usage"], f"[-e LANG=C|de] {IMAGE}:latest -- echo "
            "hello|'good day' 1..9 <[a-z]*>{0,2}")
        self.assertEqual(greet["args"], RULES[0]["args"])
        self.assertEqual(greet["limits"]["memory"],
                         {"default": 32 << 20, "max": 48 << 20})
        self.assertEqual(greet["limits"]["timeout"],
                         {"default": 60, "max": 60})

    def test_the_catalog_is_paged(self):
        first = self.catalog("?limit=1")
        self.assertEqual(self.names(first), ["greet"])
        self.assertEqual(first.headers["Link"],
                         '</v1/catalog?limit=1&after=greet>; rel="next"')
        self.assertNotIn("next", first.json)
        second = self.catalog("?after=greet")
        self.assertEqual(self.names(second), ["second", "named"])
        self.assertNotIn("Link", second.headers)
        for query in ("?after=others", "?after=nothing", "?after=A",
                      f"?after={'a' * 64}", f"?after={'a' * 65}",
                      f"?after={'a' * 256}",
                      "?limit=0", "?limit=201", "?page=1"):
            answer = self.site.call("GET", f"/v1/catalog{query}")
            self.assertEqual((answer.status, answer.problem),
                             (422, "unprocessable"), query)

    def test_both_need_the_scope_to_run_tasks(self):
        for method, path, body in (("GET", "/v1/catalog", None),
                                   ("POST", "/v1/explain", GOOD)):
            answer = self.site.call(method, path, body, who="reader")
            self.assertEqual(answer.problem, "insufficient-scope")
            answer = self.site.call(method, path, body, token="")
            self.assertEqual(answer.problem, "unauthenticated")

    # -- POST /v1/explain

    def test_each_condition_is_explained_as_a_submission_is_denied(self):
        for condition, change, passing in DENIED:
            with self.subTest(condition=condition, change=change):
                order = {**GOOD, **change}
                told = self.explain(order)
                denied = self.site.call("POST", "/v1/tasks", order)
                self.assertEqual(denied.problem, "denied")
                for name in ("rule", "condition", "detail"):
                    self.assertEqual(told[name], denied.json[name])
                self.assertFalse(told["allowed"])
                self.assertEqual((told["rule"], told["condition"]),
                                 ("greet", condition))
                self.assertIn(passing, told["detail"])
                self.assertEqual(
                    [one["rule"] for one in told["candidates"]],
                    ["greet", "second"])

    def test_what_would_be_granted_is_told_and_nothing_runs(self):
        before = self.site.call("GET", "/v1/tasks").json
        told = self.explain({**GOOD, "limits": {"memory": "40MiB"}})
        self.assertTrue(told["allowed"])
        self.assertEqual(told["rule"], "greet")
        self.assertEqual(told["limits"]["memory"], 40 << 20)
        self.assertFalse(told["unsigned"])
        self.assertTrue(self.explain(
            {"image": IMAGE, "args": ["true"]})["unsigned"])
        self.assertEqual(self.site.call("GET", "/v1/tasks").json, before)
        task = self.site.submit(*GOOD["args"], wait=30)
        self.assertEqual((task["outcome"], task["rule"]),
                         ("succeeded", "greet"))

    def test_whom_no_rule_names_is_told_of_none(self):
        for order in ({"image": IMAGE}, {"image": "no/such"}):
            told = self.explain(order, who="carol"
                                if order["image"] != IMAGE else "bob")
            if order["image"] == IMAGE:
                self.assertTrue(told["allowed"])
                continue
            self.assertFalse(told["allowed"])
            self.assertNotIn("rule", told)
            self.assertEqual(told["candidates"], [])
            self.assertIn("no rule lets you run", told["detail"])

    def test_what_is_no_request_is_refused_as_a_submission_is(self):
        for body in (b"{", {}, {"image": IMAGE, "HostConfig": {}},
                     {"image": "CAPITALS"}):
            told = self.site.call("POST", "/v1/explain", body)
            denied = self.site.call("POST", "/v1/tasks", body)
            self.assertEqual((told.status, told.problem, told.detail),
                             (denied.status, denied.problem, denied.detail))

    # -- the client

    def call(self, *words, code=0, **more):
        done = self.site.client(*words, **more)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        return done

    def test_run_and_can_i_say_rule_condition_and_what_would_pass(self):
        words = {
            "args": lambda args: [IMAGE, "--", *args],
            "env": lambda env: [*(f"-e{name}={value}" for name, value
                                  in env.items()), IMAGE, "--", *GOOD["args"]],
            "limits": lambda limits: [
                *(f"--{name}={value}" for name, value in limits.items()),
                IMAGE, "--", *GOOD["args"]],
            "outputs": lambda names: [
                *(f"--output={name}=/tmp/{name}" for name in names), IMAGE,
                "--", *GOOD["args"]],
        }
        for condition, change, passing in DENIED:
            (name, value), = change.items()
            if name not in words:
                continue
            with self.subTest(condition=condition, change=change):
                done = self.call("run", *words[name](value), code=125)
                no = self.call("can-i", "run", *words[name](value), code=1)
                for text in (done.stderr, no.stdout):
                    self.assertRegex(text, r"rule: +greet|rule +greet")
                    self.assertRegex(
                        text, rf"condition:? +{condition.split('[')[0]}")
                    self.assertIn(passing, text)
                self.assertIn("second: args[0]", no.stdout)

    def test_run_and_can_i_of_a_named_task(self):
        for words, condition, passing in (
                (["--param", "times=3"], "params.word", "hello"),
                (["--param", "word=hi"], "params.word", "hello, bye"),
                (["--param", "word=bye", "--param", "times=10"],
                 "params.times", "from 1 to 9"),
                (["--param", "word=bye", "--param", "size=1"],
                 "params.size", "times")):
            done = self.call("run", "greeting", *words, code=125)
            no = self.call("can-i", "run", "greeting", *words, code=1)
            for text in (done.stderr, no.stdout):
                self.assertIn("named", text)
                self.assertIn(condition, text)
                self.assertIn(passing, text)
        yes = self.call("can-i", "run", "greeting", "--param", "word=bye")
        self.assertRegex(yes.stdout, r"command +echo bye 2\n")
        done = self.call("run", "greeting", "--param", "word=bye")
        self.assertEqual(done.stdout, "bye 2\n")

    def test_run_and_can_i_of_a_rule_whose_time_or_image_it_is_not(self):
        for words, name, condition, passing in (
                (["--task", "old"], "over", "expires", "2020-01-01"),
                (["--task", "late"], "never", "hours", "00:00"),
                (["taskgate-test/exact:1"], "exact", "digest_required",
                 "@sha256:")):
            words = ("run", *words)
            done = self.call(*words, who="bob", code=125)
            no = self.call("can-i", *words, who="bob", code=1)
            for text in (done.stderr, no.stdout):
                for word in (name, condition, passing):
                    self.assertIn(word, text)
                self.assertNotIn("shadow", text)

    def test_can_i_takes_what_run_takes_and_uploads_nothing(self):
        file = self.site.home / "names"
        file.write_text("x")
        file.chmod(0o644)
        words = ("can-i", "run", "--input", file, "--output", "b", "--stdin",
                 "-", "-m", "48MiB", "-e", "LANG=C", IMAGE, "--",
                 *GOOD["args"])
        yes = self.call(*words, stdin="abc").stdout
        for words_of_it in ("allowed        yes", "greet", "memory=48MiB"):
            self.assertIn(words_of_it, yes)
        self.assertEqual(self.call("-o", "id", *words, stdin="abc").stdout,
                         "greet\n")
        no = json.loads(self.call("-o", "json", *words, stdin="abcd",
                                  code=1).stdout)
        self.assertEqual(no["condition"], "stdin")
        answer = self.site.call("POST", "/v1/tasks", {
            **GOOD, "inputs": {"a": "2d711642b726b04401627ca9fbac32f5"
                               "c8530fb1903cc4db02258717921a4881"}})
        self.assertNotEqual(answer.status, 201, "x was uploaded")
        self.call("can-i", "run", code=2)

    def test_catalog_shows_a_table_a_rule_and_documents(self):
        table = self.call("catalog").stdout.splitlines()
        self.assertTrue(table[0].startswith("RULE"))
        self.assertEqual([line.split()[0] for line in table[1:]],
                         ["greet", "second", "named"])
        self.assertIn("1..9", table[1])
        self.assertIn("--task greeting [-p times=1..9] -p word=hello|bye",
                      table[3])
        one = self.call("catalog", "greet").stdout
        for words in ("32MiB, at most 48MiB", "Say hello",
                      "limit timeout  1m"):
            self.assertIn(words, one)
        self.assertIn("others", self.call("catalog", "others", code=3).stderr)
        document = json.loads(self.call("-o", "json", "catalog").stdout)
        self.assertEqual(len(document["rules"]), 3)
        self.assertEqual(self.call("-o", "id", "catalog").stdout,
                         "greet\nsecond\nnamed\n")
        self.call("catalog", who="reader", code=5)


class TestMany(Case):
    policy = {"version": 1, "rules": [
        {"id": f"r{k}", "subjects": ["alice" if k % 2 else "bob"],
         "image": IMAGE} for k in range(1000)]}

    def test_all_pages_of_the_catalog_and_a_policy_that_changes(self):
        done = self.site.client("-o", "id", "catalog")
        self.assertEqual(done.stdout.split(),
                         [f"r{k}" for k in range(1, 1000, 2)])
        before = self.site.call("GET", "/v1/catalog").json["policy_sha256"]
        self.site.write_policy({"version": 1, "rules": [
            {"id": "new", "subjects": ["alice"], "image": IMAGE}]})
        for process in (self.site.gateway, self.site.runner):
            process.send(signal.SIGHUP)
        # By every worker: any of them may be asked.
        wait_until(lambda: "event=gateway.reloaded" in
                   self.site.gateway.log(), what="the new policy")
        answer = self.site.call("GET", "/v1/catalog").json
        self.assertNotEqual(answer["policy_sha256"], before)
        self.assertEqual(answer["rules"][0]["rule"], "new")
        answer = self.site.call("GET", "/v1/catalog?after=r1")
        self.assertEqual(answer.status, 422)


if __name__ == "__main__":
    main()

"""Bodies of POST /v1/tasks that are not what they must be. None makes a
task."""

from harness import IMAGE, Case, main


class TestBodies(Case):
    def setUp(self):
        self.before = self.tasks()

    def tearDown(self):
        self.assertEqual(self.tasks(), self.before)
        super().tearDown()

    def tasks(self):
        return self.site.call("GET", "/v1/tasks").json["tasks"]

    def assert_refused(self, body, status, problem, words=""):
        answer = self.site.call("POST", "/v1/tasks", body)
        self.assertEqual((answer.status, answer.problem), (status, problem),
                         (body, answer.body))
        self.assertIn(words, answer.detail)

    def test_a_body_that_is_not_json(self):
        for body in (b"", b"hello", b"{", b'{"image": "x"', b"{'image': 1}",
                     b'{"image": "x"} {"image": "y"}', b'{"image": "x"}\0',
                     b'{"image": "\xff"}', b'{"image": "\\ud800"}',
                     b"\xef\xbb\xbf{}", b'{"image": NaN}', b"{/**/}",
                     b'{"image": "x",}'):
            with self.subTest(body=body):
                answer = self.site.call("POST", "/v1/tasks", body)
                self.assertEqual((answer.status, answer.problem),
                                 (400, "malformed"), answer.body)

    def test_json_that_is_not_an_object(self):
        for body in (b"[]", b'"x"', b"1", b"null", b"true"):
            with self.subTest(body=body):
                answer = self.site.call("POST", "/v1/tasks", body)
                self.assertIn(answer.status, (400, 422), answer.body)

    def test_an_unknown_member_is_named(self):
        self.assert_refused({"image": IMAGE, "privileged": True}, 422,
                            "unprocessable", "privileged")
        self.assert_refused({"image": IMAGE, "limits": {"disk": 1}}, 422,
                            "unprocessable", "limits.disk")

    def test_dockers_own_members_are_unknown(self):
        for name in ("HostConfig", "hostconfig", "Binds", "mounts",
                     "network", "user", "entrypoint", "labels"):
            with self.subTest(member=name):
                self.assert_refused({"image": IMAGE, name: {}}, 422,
                                    "unprocessable", name)

    def test_a_duplicate_member_is_named(self):
        answer = self.site.call(
            "POST", "/v1/tasks", b'{"image": "a", "image": "b"}')
        self.assertIn((answer.status, answer.problem), (
            (400, "malformed"), (422, "unprocessable")))
        self.assertIn("image", answer.detail)

    def test_members_of_the_wrong_type(self):
        for body, path in (
                ({"image": 1}, "image"), ({"image": ""}, "image"),
                ({"image": IMAGE, "args": "echo"}, "args"),
                ({"image": IMAGE, "args": ["echo", 1]}, "args[1]"),
                ({"image": IMAGE, "env": ["A=1"]}, "env"),
                ({"image": IMAGE, "env": {"A": 1}}, "env.A"),
                ({"image": IMAGE, "env": {"A B": "1"}}, "env"),
                ({"image": IMAGE, "limits": {"memory": "64MB"}},
                 "limits.memory"),
                ({"image": IMAGE, "limits": {"timeout": -1}},
                 "limits.timeout"),
                ({"image": IMAGE, "limits": {"pids": 1.5}}, "limits.pids"),
                ({"args": ["echo"]}, "image")):
            with self.subTest(body=body):
                self.assert_refused(body, 422, "unprocessable", path)

    def test_a_nul_in_an_argument(self):
        answer = self.site.call("POST", "/v1/tasks", {
            "image": IMAGE, "args": ["a\0b"]})
        self.assertIn(answer.status, (400, 422), answer.body)

    def test_more_than_the_route_allows(self):
        body = b'{"image": "' + b"x" * (1 << 20) + b'"}'
        # The head alone says so: the body need not be read.
        with self.site.wire() as wire:
            wire.send(self.site.request_bytes(
                "POST", "/v1/tasks", None, headers={
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body))}))
            answer = wire.answer("POST")
        self.assertEqual((answer.status, answer.problem),
                         (413, "too-large"))

    def test_nesting_that_is_too_deep(self):
        body = b'{"image": ' + b"[" * 5000 + b"]" * 5000 + b"}"
        answer = self.site.call("POST", "/v1/tasks", body)
        self.assertIn(answer.status, (400, 422), answer.body)

    def test_another_media_type(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded",
                     "application/json-patch+json", None):
            with self.subTest(kind=kind):
                answer = self.site.call(
                    "POST", "/v1/tasks", b"{}",
                    headers={"Content-Type": kind})
                self.assertEqual((answer.status, answer.problem),
                                 (415, "media-type"))

    def test_queries_that_are_not_what_they_must_be(self):
        for query in ("wait=61", "wait=-1", "wait=x", "wait=1&wait=2",
                      "unknown=1"):
            with self.subTest(query=query):
                answer = self.site.call("POST", f"/v1/tasks?{query}",
                                        {"image": IMAGE})
                self.assertIn(answer.status, (400, 422), answer.body)

    def test_an_idempotency_key_of_another_form(self):
        for key in ("a b", "x" * 65, "\u00e9".encode().decode("latin-1")):
            with self.subTest(key=key):
                answer = self.site.call(
                    "POST", "/v1/tasks", {"image": IMAGE},
                    headers={"Idempotency-Key": key})
                self.assertIn(answer.status, (400, 422), answer.body)

    def test_ids_that_are_none(self):
        for task in ("1", "x" * 36, "../etc", "%2e%2e",
                     "01932f0e-6f0a-4c3e-8a55-3f1f0c1b2a11"):
            with self.subTest(task=task):
                answer = self.site.call("GET", f"/v1/tasks/{task}")
                self.assertIn(answer.status, (400, 404), answer.body)


if __name__ == "__main__":
    main()

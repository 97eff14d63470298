"""Contexts, credentials in every bad state, and the doctor."""

import json
import os
import shutil
import time

import harness_forge as forge
from harness import IMAGE, Case, free_port, main
from harness_client import copy_context, run_client


class TestContexts(Case):
    def setUp(self):
        self.config = self.site.home / f"config-{self.id().split('.')[-1]}"
        self.config.mkdir(mode=0o700)
        os.chown(self.config, self.site.client_uid, self.site.client_uid)

    def call(self, *words, code=0, context=""):
        """With a configuration folder of the test's own, and no context in
        the environment."""
        done = run_client(self.site, *words, env={
            "XDG_CONFIG_HOME": str(self.config), "TASKGATE_CONTEXT": context})
        self.assertEqual(done.returncode, code, (words, done.stderr))
        return done

    def bundle(self, name, mode=0o600):
        path = self.site.home / f"{name}.bundle"
        path.unlink(missing_ok=True)
        self.site.admin("enroll", name, "--dir", self.site.etc, "--bundle",
                        path, f"--server=https://127.0.0.1:{self.site.port}")
        os.chown(path, self.site.client_uid, self.site.client_uid)
        path.chmod(mode)
        return path

    def test_a_folder_is_imported_and_is_the_current_one(self):
        folder = self.site.members["alice"].folder
        self.assertEqual(self.call("context", "import", folder).stdout,
                         "alice\n")
        self.assertEqual(self.call("whoami", "-o", "id").stdout, "alice\n")
        kept = self.config / "taskgate" / "contexts" / "alice"
        self.assertEqual(kept.stat().st_mode & 0o777, 0o700)
        for path in kept.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_a_bundle_is_imported(self):
        path = self.bundle("carol")
        self.call("context", "import", path, "--name", "work")
        self.assertEqual(self.call("whoami", "-o", "id").stdout, "carol\n")
        shown = self.call("context", "show").stdout
        self.assertIn("work", shown)
        self.assertIn("carol", shown)

    def test_a_bundle_that_others_can_read_is_refused(self):
        path = self.bundle("dave", 0o644)
        done = self.call("context", "import", path, code=2)
        self.assertIn(f"chmod 600 {path}", done.stderr)

    def test_several_contexts_and_a_change_between_them(self):
        for who in ("alice", "bob"):
            self.call("context", "import", self.site.members[who].folder)
        self.assertEqual(self.call("whoami", "-o", "id").stdout, "alice\n")
        self.assertEqual(
            self.call("--context", "bob", "whoami", "-o", "id").stdout, "bob\n")
        self.assertEqual(
            self.call("whoami", "-o", "id", context="bob").stdout, "bob\n")
        self.call("context", "use", "bob")
        self.assertEqual(self.call("whoami", "-o", "id").stdout, "bob\n")
        names = [document["name"] for document in json.loads(
            self.call("context", "list", "-o", "json").stdout)]
        self.assertEqual(names, ["alice", "bob"])
        self.call("context", "use", "carol", code=3)
        self.call("context", "use", "../alice", code=2)

    def test_a_name_that_is_taken(self):
        folder = self.site.members["alice"].folder
        self.call("context", "import", folder)
        done = self.call("context", "import", folder, code=6)
        self.assertIn("--replace", done.stderr)
        self.call("context", "import", "--replace", folder)
        contexts = self.config / "taskgate" / "contexts"
        self.assertEqual(os.listdir(contexts), ["alice"])

    def test_what_cannot_be_imported_leaves_nothing(self):
        self.call("context", "import", "/nowhere/at/all", code=3)
        wrong = self.site.home / f"wrong-{self._testMethodName}"
        shutil.copytree(self.site.members["alice"].folder, wrong)
        shutil.copy(self.site.members["bob"].key, wrong / "client.key")
        for path in (wrong, *wrong.iterdir()):
            os.chown(path, self.site.client_uid, self.site.client_uid)
        done = self.call("context", "import", wrong, code=2)
        self.assertIn("do not belong together", done.stderr)
        self.assertEqual(self.call("context", "list", "-o", "id").stdout, "")

    def test_removal_takes_key_and_token_along(self):
        self.call("context", "import", self.site.members["alice"].folder)
        self.call("context", "remove", "alice")
        self.assertEqual(
            os.listdir(self.config / "taskgate" / "contexts"), [])
        self.call("context", "remove", "alice", code=3)
        done = self.call("whoami", code=4)
        self.assertIn("no context is selected", done.stderr)
        self.assertIn("taskgate context import", done.stderr)

    def test_a_context_that_cannot_be_read_is_listed_with_why(self):
        self.call("context", "import", self.site.members["alice"].folder)
        key = self.config / "taskgate/contexts/alice/client.key"
        key.chmod(0o644)
        listed = self.call("context", "list").stdout
        self.assertIn("chmod 600", listed)


class TestCredentials(Case):
    """Files and tokens that are not as they should be."""

    def context(self, who="alice", **changes):
        name = f"{self._testMethodName}-{time.monotonic_ns()}"
        return copy_context(self.site, name, who, **changes)

    def call(self, folder, *words, code):
        done = self.site.client("--context", folder, *words)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def write(self, folder, name, text):
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, self.site.client_uid, self.site.client_uid)

    def test_keys_and_tokens_that_others_can_read_are_refused(self):
        for name in ("client.key", "token"):
            for mode in (0o640, 0o604, 0o644):
                folder = self.context()
                (folder / name).chmod(mode)
                done = self.call(folder, "whoami", code=4)
                self.assertIn(f"chmod 600 {folder / name}", done.stderr)
                run = self.call(folder, "run", "-o", "json", IMAGE, code=125)
                self.assertEqual(json.loads(run.stdout)["type"],
                                 "urn:taskgate:error:context")

    def test_files_that_others_can_change_are_refused(self):
        for name in (".", "context.json", "ca.crt", "client.crt"):
            folder = self.context()
            (folder / name).chmod(0o770 if name == "." else 0o646)
            done = self.call(folder, "whoami", code=4)
            self.assertIn("chmod go-w", done.stderr)

    def test_files_that_cannot_be_read_or_are_not_there(self):
        folder = self.context()
        os.chown(folder / "client.key", 0, 0)
        done = self.call(folder, "whoami", code=4)
        self.assertIn("client.key", done.stderr)
        for name in ("client.key", "client.crt", "ca.crt", "token",
                     "context.json"):
            folder = self.context()
            (folder / name).unlink()
            done = self.call(folder, "whoami", code=4)
            self.assertIn(name, done.stderr)

    def test_files_that_hold_something_else(self):
        for name in ("client.key", "client.crt", "ca.crt"):
            folder = self.context()
            self.write(folder, name, "nothing of the sort\n")
            done = self.call(folder, "whoami", code=4)
            self.assertIn("cannot be used", done.stderr)
        folder = self.context()
        self.write(folder, "token", "two\nlines\n")
        self.call(folder, "whoami", code=4)

    def test_a_document_with_what_does_not_belong_there(self):
        for changes in ({"proxy": "http://x"}, {"server": "http://127.0.0.1"},
                        {"server": "https://user:pw@127.0.0.1"},
                        {"key": 7}):
            self.call(self.context(**changes), "whoami", code=4)

    def test_an_expired_token_names_the_operators_command(self):
        now = int(time.time())
        folder = self.context()
        self.write(folder, "token", forge.reissue(
            self.site, self.site.members["alice"], iat=now - 7200,
            nbf=now - 7200, exp=now - 3600))
        done = self.call(folder, "whoami", code=4)
        self.assertIn("your token expired at", done.stderr)
        self.assertIn("taskgate-admin token issue alice", done.stderr)
        self.assertIn(f"{folder}/token", done.stderr)
        run = self.call(folder, "run", "-o", "json", IMAGE, code=125)
        self.assertEqual(json.loads(run.stdout)["type"],
                         "urn:taskgate:error:unauthenticated")

    def test_a_new_token_in_its_place_is_enough(self):
        folder = self.context()
        self.site.admin(
            "token", "issue", "alice", "--dir", self.site.etc, "--cert",
            self.site.members["alice"].certificate, "--out", folder / "new")
        token = (folder / "new").read_text()
        self.write(folder, "token", token)
        self.assertNotEqual(token.strip(), self.site.members["alice"].token)
        self.call(folder, "whoami", code=0)

    def test_somebody_elses_token(self):
        folder = self.context()
        self.write(folder, "token", self.site.members["bob"].token)
        done = self.call(folder, "whoami", code=4)
        self.assertIn("another certificate", done.stderr)

    def test_a_certificate_of_another_ca(self):
        folder = self.context()
        other = forge.Authority(self.site.folder / self._testMethodName)
        certificate, key = other.issue("alice")
        self.write(folder, "client.crt", certificate.read_text())
        self.write(folder, "client.key", key.read_text())
        self.call(folder, "whoami", code=4)

    def test_an_expired_certificate_names_the_operators_command(self):
        folder = self.context()
        ours = forge.Authority.of(
            self.site, self.site.folder / self._testMethodName)
        certificate, key = ours.issue("alice", start=-9, end=-1)
        self.write(folder, "client.crt", certificate.read_text())
        self.write(folder, "client.key", key.read_text())
        done = self.call(folder, "whoami", code=4)
        self.assertIn("your certificate expired at", done.stderr)
        self.assertIn("taskgate-admin enroll alice", done.stderr)

    def test_no_secret_is_ever_shown(self):
        member = self.site.members["alice"]
        secrets = (member.token, member.token.split(".")[2],
                   *member.key.read_text().splitlines()[1:-1])
        for words in (("whoami",), ("doctor",), ("context", "show"),
                      ("context", "show", "-o", "json"),
                      ("doctor", "-o", "json"), ("run", "no/such"),
                      ("run", "-o", "json", "no/such")):
            done = self.site.client(*words)
            for secret in secrets:
                self.assertNotIn(secret, done.stdout + done.stderr)

    # -- the doctor

    def findings(self, folder, code):
        done = self.call(folder, "doctor", "-o", "json", code=code)
        document = json.loads(done.stdout)
        self.assertEqual(document["ok"], code == 0)
        return {item["check"]: item for item in document["checks"]}

    def test_the_doctor_finds_nothing_wrong(self):
        found = self.findings(self.context(), 0)
        self.assertEqual({item["result"] for item in found.values()}, {"ok"})
        self.assertLessEqual({"context", "certificate", "CA", "token",
                              "audit key", "server", "clock", "service",
                              "access"}, set(found))

    def test_the_doctor_names_what_is_wrong_and_what_helps(self):
        now = int(time.time())
        folder = self.context()
        self.write(folder, "token", forge.reissue(
            self.site, self.site.members["alice"], iat=now - 7200,
            nbf=now - 7200, exp=now - 3600))
        found = self.findings(folder, 1)
        self.assertEqual(found["token"]["result"], "bad")
        self.assertIn("taskgate-admin token issue", found["token"]["help"])
        self.assertEqual(found["access"]["result"], "bad")
        self.assertEqual(found["server"]["result"], "ok")
        folder = self.context()
        self.write(folder, "audit.pub", "no key")
        found = self.findings(folder, 1)
        self.assertIn("no Ed25519 public key", found["audit key"]["detail"])

    def test_the_doctor_finds_an_open_key_and_an_open_folder(self):
        folder = self.context()
        folder.chmod(0o777)
        found = self.findings(folder, 1)
        self.assertIn(f"chmod go-w {folder}", found["context"]["detail"])
        folder.chmod(0o700)
        (folder / "client.key").chmod(0o644)
        found = self.findings(folder, 1)
        self.assertIn("chmod 600", found["context"]["detail"])

    def test_the_doctor_finds_that_nobody_is_there(self):
        found = self.findings(self.context(
            server=f"https://127.0.0.1:{free_port()}"), 1)
        self.assertIn("nobody answers", found["server"]["detail"])
        self.assertNotIn("access", found)

    def test_the_doctor_speaks_to_people_too(self):
        done = self.call(self.context(), "doctor", code=0)
        self.assertIn("ok       server", done.stdout)


if __name__ == "__main__":
    main()

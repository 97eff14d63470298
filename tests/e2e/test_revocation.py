"""What is revoked is gone at once, down to the running container: connections,
waiting requests, queued and running tasks, warm sandboxes; and stays gone."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time

from harness import (ALL_SCOPES, IMAGE, Case, main, rule,
                     wait_until)
from harness_disk import full
from harness_false_runner import FALSE_RUNNER

EVERYBODY = {"version": 1, "rules": [rule("test", ["**"])]}
SLEEP = ("sleep", "600")


class RevocationCase(Case):
    policy = EVERYBODY
    runner_settings = {"running_max": 3}
    # Whoever was revoked asks again and again here.
    gateway_settings = {"failures_per_address": 100000,
                        "failures_per_principal": 100000}

    def command(self, *words, code=0):
        """What taskgate-admin says of it."""
        done = self.site.admin(*words, "--dir", self.site.etc, "-o", "json",
                               check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def revoke(self, kind, value, *more, code=0):
        report = self.command("revoke", kind, value, *more, code=code)
        self.assertEqual(report["still_running"], 0, report)
        self.assertTrue(report["known"], report)
        self.assertEqual(report["confirmed"], report["gateways"], report)
        self.assertLess(report["took_ms"], 10000)
        return report

    def revoke_and_ask(self, wire, who, *words):
        """The report, and what is said on a connection of theirs that is
        open. Who asks nothing is let go soon: not only behind the report."""
        asks = self.site.request_bytes("GET", "/v1/whoami", who=who)

        def told():
            wire.send(asks)
            answer = wire.answer()
            return answer if answer.status == 401 else None
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            revoking = pool.submit(self.revoke, *words)
            wait_until(lambda: self.whoami(who).status == 401,
                       what="the revocation")
            # Each worker of the gateway hears of it for itself.
            answer = wait_until(told, what="the same on that connection")
            return revoking.result(), answer

    def whoami(self, who, **more):
        return self.site.call("GET", "/v1/whoami", who=who, **more)

    def assert_revoked(self, answer, words=""):
        self.assertEqual((answer.status, answer.problem), (401, "revoked"),
                         answer.body)
        self.assertIn("invalid_token", answer.headers["WWW-Authenticate"])
        self.assertIn(words, answer.detail)

    def auditor(self):
        """Someone who may see every task."""
        if "auditor" not in self.site.members:
            self.site.enroll("auditor", scopes=("tasks:read",
                                                "tasks:read:all"))
        return "auditor"

    def outcome(self, task):
        return self.site.finish(task, who=self.auditor())["outcome"]

    def run_until_it_runs(self, who, **more):
        task = self.site.submit(*SLEEP, who=who, **more)["id"]
        wait_until(lambda: self.site.task(
            task, who=who)["state"] == "running", what="the task's start")
        return task

    def runs(self, task):
        return self.site.runs(task)

    def events(self, event):
        return [record for record in self.site.audit()
                if record["event"] == event]


class TestSubject(RevocationCase):
    # A task that starts warm, as long as there is a sandbox.
    policy = {"version": 1, "rules": [rule(
        "test", ["**"], warm={"min": 1, "max": 1, "max_age": "10m"})]}

    def open(self, who, path="/v1/whoami"):
        """A connection on which this was asked."""
        wire = self.site.wire(who)
        self.addCleanup(wire.close)
        wire.send(self.site.request_bytes("GET", path, who=who))
        return wire

    def start_work(self, who):
        wait_until(lambda: self.site.containers(), what="a warm sandbox")
        running = [self.run_until_it_runs(who) for _ in range(3)]
        queued = [self.site.submit(*SLEEP, who=who)["id"] for _ in range(2)]
        return running, queued

    def test_a_subject_loses_everything_at_once(self):
        self.site.enroll("carol")
        self.auditor()
        running, queued = self.start_work("carol")
        asked, idle = self.open("carol"), self.open("carol")
        self.assertEqual(asked.answer().status, 200)
        self.assertEqual(idle.answer().status, 200)
        stream = self.open(
            "carol", f"/v1/tasks/{running[0]}/output?stream=stdout&follow=1")
        following = stream.response()
        # Behind an answer its connection is the gateway's for certain.
        waiting = self.open("carol")
        self.assertEqual(waiting.answer().status, 200)
        waiting.send(self.site.request_bytes(
            "GET", f"/v1/tasks/{running[1]}?wait=60", who="carol"))
        began = time.monotonic()
        report, answer = self.revoke_and_ask(
            asked, "carol", "subject", "carol", "--reason", "left us")
        self.assertEqual(
            (report["kind"], report["value"], report["queued"],
             report["running"], report["recorded"]),
            ("subject", "carol", 2, 3, True), report)
        self.assertGreaterEqual(report["connections"], 4)
        self.assertGreater(report["gateways"], 0)
        # The connection that was open is told why not, and closed.
        self.assert_revoked(answer, "subject")
        self.assertEqual(answer.headers["Connection"].lower(), "close")
        self.assertEqual(asked.rest(), b"")
        self.assert_revoked(waiting.answer())
        self.assertEqual(waiting.rest(), b"")
        with self.assertRaises((http.client.IncompleteRead, OSError)):
            following.read()
        # And one that asks nothing more is closed all the same.
        self.assertEqual(idle.rest(), b"")
        # Before the wait was over, and before anything is too old.
        self.assertLess(time.monotonic() - began, 50)
        self.assert_revoked(self.whoami("carol"))
        self.assert_revoked(self.site.call("GET", "/api/status",
                                           who="carol", token=""))
        for task in running + queued:
            self.assertEqual(self.outcome(task), "revoked")
            self.assertFalse(self.runs(task))
        record = self.events("subject.revoked")[-1]
        self.assertEqual(record["object"]["value"], "carol")
        self.assertEqual(record["object"]["reason"], "left us")
        self.assertEqual(record["principal"], {"uid": 0})
        # Nobody else is touched.
        self.assertEqual(self.whoami("alice").status, 200)
        self.assertEqual(self.site.submit("true", wait=30)["outcome"],
                         "succeeded")

    def test_the_client_says_so(self):
        self.site.enroll("dave")
        self.revoke("subject", "dave")
        done = self.site.client("whoami", who="dave")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("revoked", done.stderr)
        # A new enrolment would not help.
        self.assertIn("revoke remove subject dave", done.stderr)
        line = next(line for line in self.site.admin(
            "audit", "tail", "--dir", self.site.etc).stdout.splitlines()
            if "subject.revoked" in line and "value=dave" in line)
        self.assertIn("uid=0", line)
        self.command("revoke", "remove", "subject", "dave")
        self.command("lock", "dave", "--ttl", "1h")
        done = self.site.client("whoami", who="dave")
        self.assertIn("taskgate-admin unlock dave", done.stderr)
        self.command("unlock", "dave")

    def test_a_client_that_waits_for_its_task_hears_why_it_ends(self):
        self.site.enroll("harry")
        client = self.site.client_start("run", IMAGE, "--", *SLEEP,
                                        who="harry")
        wait_until(lambda: any(
            task["state"] == "running" for task in self.site.call(
                "GET", "/v1/tasks", who="harry").json["tasks"]),
                   what="the task's start")
        self.revoke("subject", "harry")
        _, err = client.communicate(timeout=30)
        self.assertEqual(client.returncode, 125, err)
        self.assertIn("revoked", err)

    def test_it_lasts_across_restarts_until_it_is_taken_back(self):
        self.site.enroll("erin")
        self.revoke("subject", "erin", "--reason", "away")
        for restart in (lambda: self.site.restart(self.site.gateway),
                        lambda: self.site.restart(self.site.runner),
                        self.site.runner.kill):
            restart()
            if not self.site.runner.alive:
                self.site.runner.start()
            self.site.wait_ready()
            self.assert_revoked(self.whoami("erin"))
        listed = [entry for entry in self.command("revoke", "list")
                  if entry["value"] == "erin"]
        self.assertEqual([(entry["kind"], entry["reason"], entry["uid"])
                          for entry in listed], [("subject", "away", 0)])
        self.command("revoke", "remove", "subject", "erin")
        self.assertEqual(self.whoami("erin").status, 200)
        self.assertEqual(self.site.submit("true", who="erin",
                                          wait=30)["outcome"], "succeeded")
        self.assertTrue(self.events("subject.restored"))
        done = self.site.admin("revoke", "remove", "subject", "erin",
                               "--dir", self.site.etc, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_what_was_revoked_as_the_runner_died_ends_with_its_next_life(self):
        self.site.enroll("frank")
        self.auditor()
        running = self.run_until_it_runs("frank")
        self.site.runner.kill()
        store = sqlite3.connect(self.site.state / "store.db")
        with store:
            store.execute("INSERT INTO revocation (kind, value, uid, "
                          "created_ms) VALUES ('subject', 'frank', 0, 1)")
        store.close()
        for path in self.site.state.glob("store.db*"):
            os.chown(path, self.site.runner_uid, self.site.runner_uid)
        self.site.runner.start()
        self.site.wait_ready()
        self.assertEqual(self.outcome(running), "revoked")
        self.assertFalse(self.runs(running))

    def test_what_is_starting_does_not_run(self):
        self.site.enroll("gail")
        self.auditor()
        tasks = [self.site.submit("sh", "-c", "echo ran; sleep 600",
                                  who="gail")["id"] for _ in range(6)]
        report = self.revoke("subject", "gail")
        self.assertEqual(report["queued"] + report["running"], 6, report)
        for task in tasks:
            self.assertEqual(self.outcome(task), "revoked")
            self.assertFalse(self.runs(task))


class TestLock(RevocationCase):
    def test_a_lock_ends_by_itself(self):
        self.site.enroll("carol")
        task = self.run_until_it_runs("carol")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            locking = pool.submit(self.command, "lock", "carol", "--ttl",
                                  "3s")
            # It may be over when that is reported.
            answer = wait_until(
                lambda: (answer := self.whoami("carol")).status == 401 and
                answer, what="the lock")
            self.assert_revoked(answer, "locked until")
            report = locking.result()
        self.assertEqual((report["kind"], report["running"]), ("lock", 1))
        wait_until(lambda: self.whoami("carol").status == 200,
                   what="the end of the lock")
        self.assertEqual(self.site.task(task, who="carol")["outcome"],
                         "revoked")
        wait_until(lambda: not self.command("revoke", "list"),
                   what="an empty list")

    def test_unlock_ends_one_before_its_time(self):
        self.site.enroll("dave")
        self.command("lock", "dave", "--ttl", "1h", "--reason", "look first")
        self.assert_revoked(self.whoami("dave"), "locked until")
        self.site.restart(self.site.runner)
        self.assert_revoked(self.whoami("dave"), "locked until")
        self.command("unlock", "dave")
        self.assertEqual(self.whoami("dave").status, 200)
        self.assertTrue(self.events("subject.unlocked"))

    def test_what_cannot_be_meant_is_refused(self):
        for words, code in ((("lock", "dave"), 1),
                            (("lock", "dave", "--ttl", "99999d"), 1),
                            (("revoke", "subject", "x" * 200), 1),
                            (("revoke", "remove", "subject", "x" * 200), 1),
                            (("revoke", "subject", "dave", "--reason",
                              "x" * 201), 1),
                            (("unlock", "nobody"), 3),
                            (("revoke", "subject", "No Such"), 1),
                            (("revoke", "image", "busybox"), 1),
                            (("revoke", "cert", "00ff"), 3),
                            (("revoke", "remove", "token", "x"), 1)):
            done = self.site.admin(*words, "--dir", self.site.etc,
                                   check=False)
            self.assertEqual(done.returncode, code,
                             (words, done.stdout, done.stderr))
            self.assertNotIn("closed the connection", done.stderr)
        self.assertFalse(self.events("peer.refused"))


class TestCredentials(RevocationCase):
    policy = {"version": 1, "rules": [rule(
        "test", ["**"], stdin="stream")]}

    def test_a_certificate_goes_and_another_of_its_subject_stays(self):
        first = self.site.enroll("carol")
        second = self.site.enroll(
            "carol", folder=self.site.home / "carol.second")
        self.site.members["first"] = first
        old = self.run_until_it_runs("first")
        new = self.run_until_it_runs("carol")
        with self.site.wire("first") as wire:
            wire.send(self.site.request_bytes(
                "GET", "/v1/whoami", who="first"))
            self.assertEqual(wire.answer().status, 200)
            report, answer = self.revoke_and_ask(
                wire, "first", "cert", first.certificate)
            self.assertEqual((report["running"], report["queued"]), (1, 0))
            self.assert_revoked(answer, "certificate")
        self.assert_revoked(self.whoami("first"), "certificate")
        self.assertEqual(self.whoami("carol").status, 200)
        self.assertEqual(self.outcome(old), "revoked")
        self.assertEqual(self.site.task(new, who="carol")["state"], "running")
        # By its serial number, as cert list shows it.
        serial = json.loads(self.site.admin(
            "cert", "show", second.certificate, "-o", "json",
            "--dir", self.site.etc).stdout)["serial"]
        self.revoke("cert", serial)
        self.assert_revoked(self.whoami("carol"), "certificate")
        self.assertEqual(self.outcome(new), "revoked")
        self.assertEqual(len(self.events("certificate.revoked")), 2)

    def test_a_token_goes_and_another_of_its_certificate_stays(self):
        member = self.site.enroll("dave")
        old = member.token
        new = self.site.admin(
            "token", "issue", "dave", "--cert", member.certificate,
            "--dir", self.site.etc,
            *(f"--scope={scope}" for scope in ALL_SCOPES)).stdout.strip()
        first = self.run_until_it_runs("dave")
        kept = self.site.call("POST", "/v1/tasks", {
            "image": IMAGE, "args": SLEEP}, who="dave", token=new).json["id"]
        report = self.revoke("token", member.folder / "token")
        self.assertEqual(report["running"] + report["queued"], 1, report)
        self.assert_revoked(self.whoami("dave", token=old), "token")
        self.assertEqual(self.whoami("dave", token=new).status, 200)
        self.assertEqual(self.outcome(first), "revoked")
        self.assertIn(self.site.task(kept, who=self.auditor())["state"],
                      ("queued", "starting", "running"))
        # By its id alone.
        shown = json.loads(self.site.admin(
            "token", "inspect", "-", stdin=new, check=False, *(
                "-o", "json", "--dir", self.site.etc)).stdout)
        self.revoke("token", shown["id"])
        self.assert_revoked(self.whoami("dave", token=new), "token")
        self.assertEqual(self.outcome(kept), "revoked")

    def follow_when_given_back(self, wire, task):
        """The reply that goes on; None: it took longer than a connection is
        left to who was revoked."""
        wire.send(self.site.request_bytes("GET", "/v1/whoami", who="frank"))
        self.assertEqual(wire.answer().status, 200)
        self.revoke("subject", "frank")
        self.command("revoke", "remove", "subject", "frank")
        try:
            wire.send(self.site.request_bytes(
                "GET", f"/v1/tasks/{task}/output?stream=stdout&follow=1",
                who="frank"))
            return wire.response()
        except (http.client.HTTPException, OSError):
            return None

    def test_what_was_given_back_on_an_open_connection_can_go_again(self):
        self.site.enroll("frank", scopes=("tasks:read", "tasks:read:all"))
        task = self.run_until_it_runs("alice")

        def followed():
            wire = self.site.wire("frank")
            self.addCleanup(wire.close)
            return self.follow_when_given_back(wire, task)
        following = wait_until(followed, 90, "a connection that is kept")
        self.assertEqual(following.status, 200)
        self.assertEqual(self.revoke("subject", "frank")["connections"], 1)
        with self.assertRaises((http.client.IncompleteRead, OSError)):
            following.read()

    def test_an_upload_is_cut_off(self):
        self.site.enroll("erin")
        task = self.site.submit("cat", who="erin", stdin={"stream": True})["id"]
        with self.site.wire("erin") as wire:
            wire.send(self.site.request_bytes(
                "PUT", f"/v1/tasks/{task}/stdin", who="erin", headers={
                    "Content-Type": "application/octet-stream",
                    "Transfer-Encoding": "chunked"}))
            wire.send(b"5\r\nhello\r\n")
            wait_until(lambda: self.site.output(task, who="erin")
                       == b"hello", what="what was sent")
            report = self.revoke("subject", "erin")
            self.assertGreaterEqual(report["connections"], 1)
            self.assert_revoked(wire.answer("PUT"))
        self.assertEqual(self.outcome(task), "revoked")


class TestImage(RevocationCase):
    policy = {"version": 1, "rules": [rule(
        "test", ["**"], warm={"min": 2, "max": 2, "max_age": "10m"})]}

    def warm(self):
        return len(self.site.containers())

    def test_nothing_of_an_image_runs_until_it_is_taken_back(self):
        image = self.site.engine.image_id()
        tasks = [(self.run_until_it_runs(who), who)
                 for who in ("alice", "bob")]
        wait_until(lambda: self.warm() == len(tasks) + 2,
                   what="two warm sandboxes")
        report = self.revoke("image", image)
        self.assertEqual((report["running"], report["warm"],
                          report["connections"]), (2, 2, 0), report)
        for task, who in tasks:
            self.assertEqual(self.site.finish(task, who=who)["outcome"],
                             "revoked")
        self.site.wait_tidy()
        # Its name tells nothing before its turn; its digest does.
        task = self.site.submit("echo", "ran", wait=30)
        self.assertEqual((task["outcome"], task.get("stdout", "")),
                         ("revoked", ""), task)
        answer = self.site.call("POST", "/v1/tasks", {
            "image": image, "args": ["true"]})
        self.assertEqual(answer.status, 403, answer.body)
        self.site.wait_tidy()
        self.assertEqual(self.whoami("alice").status, 200)
        self.command("revoke", "remove", "image", image)
        self.assertEqual(self.site.submit("true", wait=30)["outcome"],
                         "succeeded")
        wait_until(lambda: self.warm() == 2, 30, "warm sandboxes again")


# Gives the list when a line comes on standard input.
LATE_LIST = FALSE_RUNNER + """
peers = []
for _ in range(int(sys.argv[2])):
    peers.append(listener.accept()[0])
    welcome(peers[-1])
print("greeted", flush=True)
sys.stdin.readline()
for peer in peers:
    revoke(peer, 7, [{"kind": "subject", "value": "bob"}])
    print(peer.recv(65536).decode(), flush=True)
sys.stdin.readline()
"""


class TestGatewayWithoutAList(RevocationCase):
    gateway_settings = {**RevocationCase.gateway_settings, "workers": 1}

    def test_nobody_is_served_before_it_is_known_who_was_revoked(self):
        site = self.site
        site.runner.stop()
        socket_path = pathlib.Path(site.run, "gateway.sock")
        socket_path.unlink(missing_ok=True)
        # One connection for the worker, one for operations.
        runner = subprocess.Popen(
            [sys.executable, "-c", LATE_LIST, socket_path, "2"],
            user=site.runner_uid, group=site.gateway_uid, extra_groups=[],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(runner.stdout.readline(), "greeted\n")
            site.wait_unready("who was revoked")
            for path in ("/v1/whoami", "/v1/tasks"):
                answer = self.site.call("GET", path)
                self.assertEqual((answer.status, answer.problem),
                                 (503, "unavailable"), answer.body)
            runner.stdin.write("\n")
            runner.stdin.flush()
            for _ in range(2):
                self.assertEqual(json.loads(runner.stdout.readline()), {
                    "type": "revoked", "change": 7, "closed": 0})
            self.assertEqual(self.whoami("alice").status, 200)
            self.assert_revoked(self.whoami("bob"))
        finally:
            runner.stdin.close()
            runner.wait(30)
            runner.stdout.close()
            socket_path.unlink(missing_ok=True)
        # Without the runner, what it said is not known any longer.
        wait_until(lambda: self.whoami("alice").status == 503,
                   what="a gateway that knows nothing")
        site.runner.start()
        site.wait_ready()
        self.assertEqual(self.whoami("bob").status, 200)


class TestDiskFull(RevocationCase):
    state_size = "48m"

    def use_up(self):
        """The store may have a page of room left: not for long."""
        wait_until(lambda: self.site.call("POST", "/v1/tasks", {
            "image": IMAGE, "args": ["true"]}).status == 503, 60, "a refusal")

    def test_without_room_it_is_in_force_at_once_and_on_record_later(self):
        self.site.enroll("carol")
        self.auditor()
        task = self.run_until_it_runs("carol")
        with full(self.site.state):
            self.use_up()
            report = self.revoke("subject", "carol", code=1)
            self.assertEqual((report["running"], report["recorded"]),
                             (1, False), report)
            self.assert_revoked(self.whoami("carol"))
            self.assertFalse(self.runs(task))
            self.assertFalse(self.command("revoke", "list")[0]["recorded"])
        self.site.wait_ready(60)
        wait_until(lambda: self.command("revoke", "list")[0]["recorded"],
                   what="the record")
        self.assertEqual(self.outcome(task), "revoked")
        self.site.runner.kill()
        self.site.runner.start()
        self.site.wait_ready()
        self.assert_revoked(self.whoami("carol"))
        self.assertEqual(len(self.events("subject.revoked")), 1)


if __name__ == "__main__":
    main()

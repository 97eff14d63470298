#!/usr/bin/python3
"""The operator's tool by itself, without engine, runner or gateway: what it
sets up, and how it is asked."""

import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import unittest

from harness_admin import (BIN, GATEWAY_UID, KEYS, RUNNER_UID, AdminCase,
                           openssl, snapshot)


class Init(AdminCase):

    def test_init_writes_exactly_the_layout(self):
        self.init()
        kids = [path.stem for path in (self.etc / "token-keys").iterdir()]
        issued = [path.stem
                  for path in (self.etc / "operator/issued").iterdir()]
        self.assertEqual((len(kids), len(issued)), (1, 1))
        self.assertEqual(set(snapshot(self.etc)), {
            "gateway.json", "runner.json", "policy.json", "ca.crt",
            "token-keys", f"token-keys/{kids[0]}.pem", "audit.pub",
            "gateway", "gateway/server.crt", "gateway/server.key",
            "runner", "runner/audit.key", "operator", "operator/ca.key",
            "operator/token.key", "operator/issued",
            f"operator/issued/{issued[0]}.pem"})

    def test_keys_have_their_owner_and_mode(self):
        self.init()
        for name, owner in KEYS.items():
            status = (self.etc / name).stat()
            self.assertEqual(
                (status.st_uid, stat.S_IMODE(status.st_mode)),
                (owner, 0o600), name)
        self.assertEqual(
            stat.S_IMODE((self.etc / "operator").stat().st_mode), 0o700)

    def test_the_two_processes_can_change_nothing(self):
        self.init()
        for path in self.etc.rglob("*"):
            name = str(path.relative_to(self.etc))
            status = path.stat()
            self.assertFalse(status.st_mode & 0o022, name)
            if name not in KEYS:
                self.assertEqual(status.st_uid, 0, name)

    def test_init_again_changes_nothing_and_says_so(self):
        self.init()
        before = snapshot(self.etc)
        again = self.init()
        self.assertEqual(snapshot(self.etc), before)
        self.assertIn("Nothing had to be made", again.stdout)
        self.assertNotIn("made  ", again.stdout)

    def test_init_again_remembers_its_users(self):
        self.init()
        before = snapshot(self.etc)
        self.admin("init", "--dir", self.etc)
        self.assertEqual(snapshot(self.etc), before)

    def test_option_without_effect_is_told(self):
        self.init()
        before = snapshot(self.etc)
        again = self.init("--listen", "127.0.0.1:9999", "--engine",
                          "unix:///elsewhere")
        self.assertIn("--listen has no effect", again.stderr)
        self.assertIn("--engine has no effect", again.stderr)
        other = self.admin("init", "--dir", self.etc, "--gateway-uid", 7777)
        self.assertIn("--gateway-uid has no effect", other.stderr)
        self.assertEqual(snapshot(self.etc), before)

    def test_every_partial_state_is_completed(self):
        self.init()
        whole = snapshot(self.etc)
        # What a run that was cut off may not have written yet, last first.
        order = ["runner.json", "gateway.json", "policy.json",
                 "gateway/server.crt", "gateway/server.key", "audit.pub",
                 "runner/audit.key"]
        for count in range(1, len(order) + 1):
            for name in order[:count]:
                (self.etc / name).unlink(missing_ok=True)
            kept = snapshot(self.etc)
            self.init()
            after = snapshot(self.etc)
            self.assertLessEqual(set(whole), set(after))
            for name, state in kept.items():
                if state[3] is not None:
                    self.assertEqual(after[name], state, name)
            self.agree()

    def test_key_left_behind_by_a_cut_off_run_gets_its_owner(self):
        self.init()
        for name in ("gateway/server.key", "runner/audit.key"):
            os.chown(self.etc / name, 0, 0)
        self.init()
        for name, owner in KEYS.items():
            self.assertEqual((self.etc / name).stat().st_uid, owner)

    def test_lost_public_halves_come_back(self):
        self.init()
        before = snapshot(self.etc)
        kid = next((self.etc / "token-keys").iterdir())
        kid.unlink()
        (self.etc / "audit.pub").unlink()
        self.init()
        after = snapshot(self.etc)
        for name in ("audit.pub", str(kid.relative_to(self.etc))):
            self.assertEqual(after[name][3], before[name][3])

    def test_ca_key_kept_elsewhere_is_not_made_anew(self):
        self.init()
        for name in ("operator/ca.key", "operator/token.key"):
            (self.etc / name).rename(self.folder / pathlib.Path(name).name)
        before = snapshot(self.etc)
        self.init()
        self.assertEqual(snapshot(self.etc), before)
        self.refused("enroll", "alice", saying="operator/ca.key is not there",
                     code=3)
        (self.etc / "gateway/server.crt").unlink()
        self.assertIn("bring it back",
                      self.init(code=6).stderr)

    def test_lost_server_key_is_not_papered_over(self):
        self.init()
        (self.etc / "gateway/server.key").unlink()
        self.assertIn("its key gateway/server.key is not",
                      self.init(code=6).stderr)
        self.assertFalse((self.etc / "gateway/server.key").exists())

    def test_swapped_ca_is_noticed(self):
        self.init()
        other = self.folder / "other"
        self.admin("init", "--dir", other, "--gateway-uid", 1,
                   "--runner-uid", 2)
        shutil.copy(other / "ca.crt", self.etc / "ca.crt")
        self.assertIn("does not belong to the CA's certificate",
                      self.init(code=1).stderr)

    def test_no_name_of_a_folder_reaches_the_terminal_as_it_is(self):
        self.etc = self.folder / "a\u009b2J\u202e"
        done = self.init()
        self.assertIn(r"a\xc2\x9b2J\xe2\x80\xae/ca.crt", done.stdout)
        self.assertIn(r"a\xc2\x9b2J\xe2\x80\xae/policy.json", done.stdout)
        for mark in "\u009b\u202e":
            self.assertNotIn(mark, done.stdout + done.stderr)

    def test_folder_that_others_can_write_is_refused(self):
        self.etc.mkdir(mode=0o755)
        self.etc.chmod(0o777)
        self.assertIn("others can write", self.init(code=6).stderr)
        self.etc.chmod(0o755)
        os.chown(self.etc, GATEWAY_UID, 0)
        self.assertIn("belongs to uid", self.init(code=6).stderr)
        self.assertEqual(snapshot(self.etc), {})

    def test_key_that_is_a_link_is_refused(self):
        self.init()
        key = self.etc / "gateway/server.key"
        key.rename(self.folder / "server.key")
        key.symlink_to(self.folder / "server.key")
        self.assertIn("not a regular file", self.init(code=6).stderr)

    def test_key_that_others_can_read_is_refused(self):
        self.init()
        for name in KEYS:
            (self.etc / name).chmod(0o640)
            self.assertIn("chmod 600", self.init(code=6).stderr)
            (self.etc / name).chmod(0o600)

    def test_without_accounts_uids_must_be_named(self):
        done = self.admin("init", "--dir", self.etc, code=1)
        self.assertIn("--gateway-uid", done.stderr)
        self.assertFalse(self.etc.exists())

    def test_fingerprint_and_next_command_are_printed(self):
        done = self.init()
        shown = openssl("x509", "-in", self.etc / "ca.crt", "-noout",
                        "-fingerprint", "-sha256").strip().split("=")[1]
        self.assertIn(shown, done.stdout)
        self.assertIn(f"taskgate-admin enroll alice --dir {self.etc}",
                      done.stdout)

    def test_init_as_an_ordinary_user_serves_himself(self):
        self.folder.chmod(0o777)
        # The build may lie below a folder that is closed to him.
        shutil.copy(BIN / "taskgate-admin", self.folder)
        subprocess.run(
            [self.folder / "taskgate-admin", "init", "--dir", self.etc],
            check=True, cwd="/",
            user=GATEWAY_UID, group=GATEWAY_UID, extra_groups=[],
            capture_output=True, timeout=60)
        self.assertEqual((self.etc / "runner/audit.key").stat().st_uid,
                         GATEWAY_UID)
        runner = json.loads((self.etc / "runner.json").read_text())
        self.assertEqual(runner["admin_uids"], [GATEWAY_UID])

    def test_options_come_from_the_environment_too(self):
        self.admin("init", env={
            "TASKGATE_DIR": str(self.etc), "TASKGATE_GATEWAY_UID": "41001",
            "TASKGATE_RUNNER_UID": "41002", "TASKGATE_LISTEN": "[::1]:9443"})
        gateway = json.loads((self.etc / "gateway.json").read_text())
        self.assertEqual(gateway["listen"], "[::1]:9443")

    def test_default_policy_is_accepted_and_allows_nothing(self):
        self.init()
        shown = self.run_json("policy", "check")
        self.assertEqual((shown["valid"], shown["rules"]), (True, 0))
        self.assertEqual(shown["warnings"], [])

    def test_what_is_odd_about_a_policy_is_warned_of(self):
        path = self.etc / "policy.json"
        path.parent.mkdir(exist_ok=True)
        plain = {"subjects": ["alice"], "image": "demo/busybox"}
        path.write_text(json.dumps({"version": 1, "rules": [
            {"id": "good", **plain},
            {"id": "open", "unsigned": True, **plain},
            {"id": "stream", "stdin": "stream", **plain},
            {"id": "root", "user": {"uid": 0, "gid": 0},
             "subjects": ["**"], "image": "**"}]}, indent=1))
        shown = self.run_json("policy", "check", path)
        self.assertEqual(
            [(one["rule"], one["member"]) for one in shown["warnings"]],
            [("open", "unsigned"), ("open", "id"), ("stream", "stdin"),
             ("root", "user"), ("root", "subjects"), ("root", "image")])
        done = self.admin("policy", "check", path)
        self.assertEqual(done.returncode, 0)
        line = path.read_text().splitlines().index("   \"unsigned\": true,")
        for words in (f"{path}:{line + 1}:16: rule open: unsigned: ",
                      "rule stream: stdin: ",
                      "rule open: id: it is never asked: rule good "):
            self.assertIn(words, done.stderr)
        self.assertNotIn("rule good: ", done.stderr)

    def agree(self):
        gateway = json.loads((self.etc / "gateway.json").read_text())
        runner = json.loads((self.etc / "runner.json").read_text())
        for name in ("issuer", "audience", "ca", "token_keys", "policy"):
            self.assertEqual(gateway[name], runner[name])
        self.assertEqual(gateway["runner_uid"], RUNNER_UID)
        self.assertEqual(runner["gateway_uid"], GATEWAY_UID)
        self.assertEqual(gateway["runner_socket"],
                         runner["run"] + "/gateway.sock")


class Usage(AdminCase):

    def test_help_man_and_completion_know_every_verb(self):
        verbs = ("init", "enroll", "cert sign", "token inspect",
                 "policy check", "audit tail", "status")
        text = self.admin("--help").stdout
        page = self.admin("man").stdout
        for verb in verbs:
            self.assertIn(verb, text)
            self.assertIn(verb.split()[-1], page)
        self.assertIn("enroll", self.admin("completion", "bash").stdout)

    def test_man_page_is_roff(self):
        lines = self.admin("man").stdout.splitlines()
        self.assertTrue(lines[0].startswith(".TH taskgate-admin 1 "))
        macros = {line.split()[0] for line in lines if line[:1] in ".'"}
        self.assertLessEqual(macros, {".TH", ".SH", ".SS", ".PP", ".TP"})

    def test_unknown_words_are_usage_errors(self):
        for words in (("nosuch",), ("cert", "nosuch"), ("init", "--nosuch"),
                      ("enroll",), ("enroll", "a", "b")):
            self.admin(*words, code=2)

    def test_openssl_configuration_of_the_caller_is_not_read(self):
        bad = self.folder / "openssl.cnf"
        # Whoever reads it finds no algorithm any more.
        bad.write_text("openssl_conf = main\n[main]\nalg_section = evp\n"
                       "[evp]\ndefault_properties = fips=yes\n")
        broken = subprocess.run(
            ["openssl", "dgst", "-sha256", bad], capture_output=True,
            env={**os.environ, "OPENSSL_CONF": str(bad)}, check=False)
        self.assertNotEqual(broken.returncode, 0)
        self.init()
        self.admin("enroll", "alice", "--dir", self.etc,
                   env={"OPENSSL_CONF": str(bad)})
        self.assertTrue(self.run_json("token", "inspect",
                                      "alice/token")["valid"])

    def test_runner_that_is_not_there_is_told(self):
        self.init("--run", self.folder / "run")
        for words in (("status",), ("audit", "tail")):
            self.refused(*words, code=8,
                         saying="is taskgate-runner running?")

    def test_socket_of_another_user_is_not_believed(self):
        self.init("--run", self.folder / "run")
        (self.folder / "run").mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as fake:
            fake.bind(str(self.folder / "run/admin.sock"))
            fake.listen()
            self.refused("status", code=5,
                         saying=f"the runner is uid {RUNNER_UID}")

    def test_broken_policy_is_refused_with_its_place(self):
        self.init()
        path = self.folder / "bad.json"
        path.write_text('{"version": 1,\n "rules": [,]}\n')
        done = self.refused("policy", "check", path, saying=f"{path}:2:")
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_format_that_is_none_is_refused(self):
        self.init()
        self.refused("cert", "list", "-o", "yaml", saying="not one of table")

    def test_full_disk_is_no_success(self):
        self.init()
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(
                [BIN / "taskgate-admin", "cert", "list", "--dir", self.etc],
                stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                check=False)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()

"""Who runs as whom, and who can reach what."""

import os
import pathlib
import stat
import subprocess

from harness import Case, environment, main, wait_until
from harness_sockets import unix_peers


class TestPrivileges(Case):
    def processes(self):
        return self.site.gateway, self.site.runner

    def test_no_process_of_ours_is_root(self):
        for process in self.processes():
            status = process.status()
            for name in ("Uid", "Gid"):
                numbers = set(status[name].split())
                self.assertEqual(numbers, {str(process.uid)},
                                 f"{process.name} {name}")
            for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                self.assertEqual(int(status[name], 16), 0,
                                 f"{process.name} {name}")

    def test_they_are_two_different_users(self):
        self.assertNotEqual(self.site.gateway.uid, self.site.runner.uid)

    def test_no_process_can_gain_privileges(self):
        for process in self.processes():
            self.assertEqual(process.status()["NoNewPrivs"], "1",
                             process.name)

    def test_only_the_runner_is_in_the_engines_group(self):
        group = str(self.site.engine.gid)
        self.assertIn(group, self.site.runner.status()["Groups"].split())
        self.assertNotIn(group, self.site.gateway.status()["Groups"].split())

    def as_user(self, process, path):
        """Connects to a Unix socket with a process's own user and groups."""
        return subprocess.run(
            ["/usr/bin/python3", "-B", "-c",
             "import socket, sys\n"
             "s = socket.socket(socket.AF_UNIX, int(sys.argv[2]))\n"
             "try: s.connect(sys.argv[1])\n"
             "except OSError as e: print(e.errno); sys.exit(1)\n",
             path, "1" if path == self.site.engine.path else "5"],
            user=process.uid, group=process.gid, cwd="/",
            extra_groups=[int(gid) for gid in
                          process.status()["Groups"].split()],
            env=environment(), capture_output=True, text=True, timeout=30,
            check=False)

    def test_the_gateway_cannot_open_dockers_socket(self):
        done = self.as_user(self.site.gateway, self.site.engine.path)
        self.assertEqual((done.returncode, done.stdout.strip()), (1, "13"))

    def test_the_runner_can(self):
        done = self.as_user(self.site.runner, self.site.engine.path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_gateway_cannot_open_the_admin_socket(self):
        done = self.as_user(self.site.gateway,
                            str(self.site.run / "admin.sock"))
        self.assertEqual((done.returncode, done.stdout.strip()), (1, "13"))

    def test_of_the_two_only_the_runner_is_connected_to_docker(self):
        def connected(process):
            peers = unix_peers(self.site.engine.path)
            return any(target.startswith("socket:[") and
                       int(target[8:-1]) in peers
                       for target in process.descriptors().values())

        # A connection may come and go with what there is to do.
        def seen():
            self.site.submit("true")
            return connected(self.site.runner)
        wait_until(seen, what="the runner's connection to the engine")
        self.assertFalse(connected(self.site.gateway))

    def test_the_runner_listens_on_no_network(self):
        sockets = {target[8:-1] for target in
                   self.site.runner.descriptors().values()
                   if target.startswith("socket:[")}
        self.assertTrue(sockets)
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
            path = pathlib.Path("/proc/net") / table
            if not path.exists():
                continue
            for line in path.read_text().splitlines()[1:]:
                inode = line.split()[8 if table == "packet" else 9]
                self.assertNotIn(inode, sockets, (table, line))

    def test_what_the_runner_keeps_is_closed_to_others(self):
        # Nothing goes while we look: no task of before is still to come.
        self.site.submit("true", wait=60)
        self.site.wait_tidy()
        self.assertEqual(stat.S_IMODE(self.site.state.stat().st_mode), 0o700)
        for folder, _, files in os.walk(self.site.state):
            for name in files:
                path = pathlib.Path(folder, name)
                if name == "hosts":  # what containers see as /etc/hosts
                    continue
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode):
                    self.assertEqual(stat.S_IMODE(mode) & 0o077, 0, path)

    def test_in_a_set_group_id_folder_the_runner_needs_no_second_group(self):
        site = self.site
        site.stop()
        groups = site.runner.groups
        self.addCleanup(site.restart, site.runner, site.gateway)
        self.addCleanup(setattr, site.runner, "groups", groups)
        self.addCleanup(site.run.chmod, 0o750)
        site.run.chmod(0o2750)
        site.runner.groups = [site.engine.gid]
        site.start()
        found = (site.run / "gateway.sock").stat()
        self.assertEqual((found.st_uid, found.st_gid),
                         (site.runner_uid, site.gateway_uid))

    def test_keys_are_each_their_owners_alone(self):
        for name, owner in (
                ("gateway/server.key", self.site.gateway_uid),
                ("runner/audit.key", self.site.runner_uid),
                ("operator/ca.key", 0), ("operator/token.key", 0)):
            found = (self.site.etc / name).stat()
            self.assertEqual(found.st_uid, owner, name)
            self.assertEqual(stat.S_IMODE(found.st_mode) & 0o177, 0, name)

    def test_neither_starts_as_root(self):
        for process in self.processes():
            done = subprocess.run(
                process.arguments, capture_output=True, text=True,
                env=environment(), timeout=30, check=False)
            self.assertNotEqual(done.returncode, 0, process.name)
            self.assertIn("root", done.stderr)

    def test_sockets_are_for_their_peers(self):
        for name, mode in (("gateway.sock", 0o660), ("admin.sock", 0o600)):
            found = (self.site.run / name).stat()
            self.assertEqual(stat.S_IMODE(found.st_mode), mode, name)
            self.assertEqual(found.st_uid, self.site.runner_uid, name)


if __name__ == "__main__":
    main()

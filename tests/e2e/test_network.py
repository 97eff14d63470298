"""A network that a rule names: its tasks are in it and in no other; what is
not there, or is called otherwise, stops its tasks alone."""

import contextlib
import secrets

from harness import Case, Engine, main, rule, wait_until
from harness_engine import EngineError

LOOK = ("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' | sort; "
        "grep -c $(hostname) /etc/hosts; readlink /proc/self/ns/net")


class TestNetwork(Case):
    @classmethod
    def setUpClass(cls):
        cls.engine = Engine.of_the_suite()
        cls.name = f"taskgate-{secrets.token_hex(4)}"
        # Small, and where nobody else looks for one.
        second, third, fourth = secrets.token_bytes(3)
        subnet = f"10.{second}.{third}.{fourth & 0xf8}/29"
        cls.network = cls.engine.call(
            "POST", "/networks/create", body={
                "Name": cls.name, "Driver": "bridge", "Internal": True,
                "IPAM": {"Config": [{"Subnet": subnet}]}})["Id"]
        cls.addClassCleanup(cls.remove_network)
        cls.policy = {"version": 1, "rules": [
            rule("in", ["alice"], network=cls.name),
            rule("warm", ["bob"], network=cls.name, warm={"min": 1}),
            rule("out", ["carol"], network="none"),
            rule("absent", ["dave"], network=f"{cls.name}-absent"),
            # Docker itself would take this for the network.
            rule("by-id", ["erin"], network=cls.network[:12]),
        ]}
        super().setUpClass()

    @classmethod
    def remove_network(cls):
        with contextlib.suppress(EngineError):
            cls.engine.call("DELETE", f"/networks/{cls.network}")

    @classmethod
    def prepare(cls):
        for name in ("carol", "dave", "erin"):
            cls.site.enroll(name)

    def look(self, who):
        task = self.site.submit("sh", "-c", LOOK, who=who, wait=60)
        self.assertEqual(task["outcome"], "succeeded", task)
        return task, *self.seen(task["stdout"])

    def seen(self, text):
        """Its devices, and which network namespace it is in."""
        *devices, hosts, space = text.splitlines()
        self.assertNotEqual(hosts, "0")
        return devices, space

    def test_a_task_is_in_its_network_and_in_no_other(self):
        task, devices, _ = self.look("alice")
        self.assertEqual(devices, ["eth0", "lo"])
        started = next(record for record in self.site.audit(task["id"])
                       if record["event"] == "task.started")
        self.assertEqual(started["object"]["network"], self.name)
        running = self.site.submit("sh", "-c", LOOK + "; sleep 600")["id"]
        wait_until(lambda: b"net:" in self.site.output(running),
                   what="what it sees")
        # Side by side: the kernel gives the number of one that has gone to
        # the next.
        self.assertNotEqual(
            self.look("alice")[2],
            self.seen(self.site.output(running).decode())[1])
        container = next(
            record for record in self.site.audit(running)
            if record["event"] == "task.started")["object"]["container"]
        inspection = self.site.engine.inspect(container)
        self.assertEqual(list(inspection["NetworkSettings"]["Networks"]),
                         [self.name])
        self.assertEqual(inspection["HostConfig"]["NetworkMode"], self.name)
        self.assertEqual(inspection["NetworkSettings"]["Ports"], {})
        self.site.call("DELETE", f"/v1/tasks/{running}")
        self.site.finish(running)

    def test_a_warm_one_is_too(self):
        def warm():
            task, devices, _ = self.look("bob")
            self.assertEqual(devices, ["eth0", "lo"])
            return task["start"] == "warm"
        wait_until(warm, what="a warm start")

    def test_none_is_none(self):
        self.assertEqual(self.look("carol")[1], ["lo"])

    def test_what_is_not_there_or_called_otherwise_stops_its_tasks_alone(self):
        for who in ("dave", "erin"):
            with self.subTest(who=who):
                task = self.site.submit("true", who=who, wait=60)
                self.assertEqual((task["outcome"], task["reason"]),
                                 ("not_started", "network"), task)
                self.assertIn("there is no network", task["detail"])
        self.look("carol")


if __name__ == "__main__":
    main()

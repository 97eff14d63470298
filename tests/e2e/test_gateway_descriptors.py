"""A gateway whose descriptors run out: who comes then is turned away, and told
of in the log now and then, not each time."""

import re
import socket
import ssl

from harness import Case, main, wait_until


class TestDescriptors(Case):
    gateway_settings = {"workers": 1, "connections_max": 1000,
                        "connections_per_address": 1000}

    def shed(self):
        return [int(found) for found in re.findall(
            r"connection\.shed.* connections=(\d+)", self.site.gateway.log())]

    @staticmethod
    def is_closed(caller):
        caller.setblocking(False)
        try:
            return not caller.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def is_served(self):
        try:
            return self.site.call("GET", "/v1/whoami").status == 200
        except (ConnectionError, ssl.SSLError):
            return False

    def refused(self):
        name = "taskgate_gateway_connections_refused_total "
        return sum(int(line.split()[-1]) for line in
                   self.site.operations("/metrics").body.decode().splitlines()
                   if line.startswith(name))

    def test_who_is_turned_away_for_want_of_one_does_not_fill_the_log(self):
        gateway = self.site.gateway
        gateway.stop()
        gateway.arguments = ["prlimit", "--nofile=128:128",
                             *gateway.arguments]
        gateway.start()
        self.site.wait_ready()
        before = self.refused()
        callers = [socket.create_connection(("127.0.0.1", self.site.port), 30)
                   for _ in range(300)]
        try:
            wait_until(lambda: sum(map(self.is_closed, callers)) >= 100,
                       what="those that are turned away")
            wait_until(self.shed, what="the first that is told of")
        finally:
            for caller in callers:
                caller.close()
        # Room again, once those that had gone already are looked at.
        wait_until(self.is_served, what="an answer")
        told = self.shed()
        self.assertLess(len(told), 20, told)
        self.assertLessEqual(sum(told), self.refused() - before)


if __name__ == "__main__":
    main()

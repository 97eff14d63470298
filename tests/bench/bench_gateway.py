"""The gateway beside nginx: what a request, a handshake and an idle connection
cost; and what one client notices of another's flood. nginx gets the same
certificates, TLS 1.3 alone, a client certificate always, nothing resumed, as
many workers, a log of what it answers, and a constant of the same size."""

import contextlib
import os
import pathlib
import resource
import shutil
import statistics
import sys
import time

from bench import (Row, alternate, private_bytes, ratio_row, show, show_bytes,
                   show_time)
from harness import Process, free_id, free_port, wait_until
from harness_flood import BAD, FLOOD, Load, make_mallory, make_stranger
from harness_process import ROOT

WORKERS = 2
DESCRIPTORS = 65536
PAIR_IDLE_S = 4  # conn.h: CONN_PAIR_IDLE_MS, and some more

NGINX_CONF = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
	access_log {folder}/access.log;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	keepalive_requests 100000000;
	keepalive_timeout 3600;
	server {{
		listen 127.0.0.1:{port} ssl reuseport backlog=1024;
		ssl_protocols TLSv1.3;
		ssl_certificate {etc}/gateway/server.crt;
		ssl_certificate_key {folder}/server.key;
		ssl_client_certificate {etc}/ca.crt;
		ssl_verify_client on;
		ssl_session_cache off;
		ssl_session_tickets off;
		location / {{
			default_type application/json;
			return 200 '{body}';
		}}
	}}
}}
"""


def find_program(name, package):
    """Also where test.sh puts what it takes out of a package."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:"
                         f"{ROOT}/build/tools")
    if found is None:
        sys.exit(f"{name} is missing, and this benchmark compares with it: "
                 f"apt-get install {package}")
    return found


class Server:
    """One of the two sides: its port, and its processes that do the work."""

    def __init__(self, port, find_pids):
        self.port, self.find_pids = port, find_pids

    def cpu_ns(self):
        """What all threads have run so far."""
        return sum(
            int(path.read_text().split()[0]) for pid in self.find_pids()
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))

    def memory(self):
        return sum(map(private_bytes, self.find_pids()))


def children(pid):
    return [int(word) for word in pathlib.Path(
        f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def nginx(site, body):
    program = find_program("nginx", "nginx-light")
    folder = site.folder / "nginx"
    uid, port = free_id(), free_port()
    folder.mkdir()
    shutil.copy(site.etc / "gateway" / "server.key", folder)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(
        workers=WORKERS, folder=folder, port=port, etc=site.etc, body=body))
    for path in (folder, *folder.iterdir()):
        os.chown(path, uid, uid)
    process = Process("nginx", [program, "-c", folder / "nginx.conf",
                                "-e", folder / "error.log"],
                      uid, uid, [], folder / "nginx.log")
    process.start()
    try:
        wait_until(lambda: len(children(process.pid)) == WORKERS, 30, "nginx")
        yield Server(port, lambda: children(process.pid))
    except BaseException:
        print(process.log(), file=sys.stderr)
        raise
    finally:
        process.stop()


def raise_descriptors():
    """Of this process, and so of all that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (DESCRIPTORS, max(hard, DESCRIPTORS)))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def both(bench, **gateway):
    """The two servers, and alice's load on them."""
    raise_descriptors()
    site = bench.site(gateway={
        "workers": WORKERS, "connections_max": 20000,
        "connections_per_address": 20000, "idle_timeout": 3600, **gateway})
    try:
        body = site.call("GET", "/v1/whoami").body.decode()
        with nginx(site, body) as theirs:
            yield (Server(site.port, lambda: [site.gateway.pid]), theirs,
                   Load(site.members["alice"].folder))
    finally:
        site.tear_down()


def cpu_seconds(server, load, mode, count, *words):
    """CPU that one of `count` costs the server."""
    def measure():
        before = server.cpu_ns()
        load.run(mode, server.port, count, *words)
        return (server.cpu_ns() - before) / count / 1e9
    return measure


def http(bench):
    count, rounds = bench.count(16000, 800), bench.count(9, 1)
    with both(bench) as (ours, theirs, load):
        bench.table.add(ratio_row("CPU of a request, kept alive", *alternate(
            rounds, *(cpu_seconds(server, load, "requests", count, 8)
                      for server in (ours, theirs))), at_most=2, aim=1.5))


def handshake(bench):
    count, rounds = bench.count(1000, 50), bench.count(9, 1)
    with both(bench) as (ours, theirs, load):
        bench.table.add(ratio_row("CPU of a handshake", *alternate(
            rounds, *(cpu_seconds(server, load, "handshakes", count)
                      for server in (ours, theirs))), at_most=1.2, aim=1.1))


def hold(server, load, count):
    """Memory that each of so many idle connections takes."""
    before = server.memory()
    with load.start("idle", server.port, count) as process:
        assert process.stdout.readline() == "ready\n", "not all were opened"
        # What is kept for a moment in case of another request has gone.
        time.sleep(PAIR_IDLE_S)
        each = (server.memory() - before) / count
        process.communicate()
    return each


def memory(bench):
    """Of one after the other: the kernel gives a process's memory back when
    it likes, so each side begins anew."""
    count = bench.count(10000, 200)
    with both(bench) as servers:
        *servers, load = servers
        ours, theirs = (hold(server, load, count) for server in servers)
    bench.table.add(Row(
        f"memory of an idle connection, {count}", show_bytes(ours),
        show_bytes(theirs), ours / theirs, f"{show(ours / theirs)}×",
        at_most=1.5, aim=1.2))


def flood(bench):
    seconds, rounds = bench.count(10, 1), bench.count(5, 1)
    pace = 200
    site = bench.site()
    try:
        stranger, mallory = make_stranger(site), make_mallory(site)
        good, bad = Load(site.members["alice"].folder), Load(mallory.folder)

        def calm():
            return good.run("pace", site.port, seconds, pace)["p99_us"] / 1e6

        def flooded():
            with bad.start("flood", site.port, seconds + 1, *FLOOD, stranger,
                           source=BAD) as process:
                time.sleep(0.5)
                value = calm()
                process.communicate()
            return value

        quiet, loud = alternate(rounds, calm, flooded)
    finally:
        site.tear_down()
    value = statistics.median(
        two / one for one, two in zip(quiet, loud, strict=True))
    bench.table.add(Row(
        "another's p99 during a flood", show_time(statistics.median(loud)),
        f"{show_time(statistics.median(quiet))} in quiet", value,
        f"{show(value)}×", at_most=2))

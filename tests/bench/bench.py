"""What all benchmarks share: rounds that take turns, rows, and the table."""

import dataclasses
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from harness import Site, rule

BUSYBOX = "taskgate-test/busybox"


@dataclasses.dataclass
class Row:
    """`value` is judged: at least or at most so much, and what is aimed at."""
    name: str
    ours: str
    theirs: str
    value: float
    text: str
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None

    @property
    def holds(self):
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.at_most is None or self.value <= self.at_most

    @property
    def bound(self):
        for sign, bound in (("≥", self.at_least), ("≤", self.at_most)):
            if bound is not None:
                return f"{sign} {show(bound)}"
        return ""


def show(number):
    return f"{number:.0f}" if number >= 20 else f"{number:.3g}"


def show_bytes(number):
    for unit in ("B", "KiB", "MiB"):
        if abs(number) < 1024:
            return f"{show(number)} {unit}"
        number /= 1024
    return f"{number:.2f} GiB"


def show_time(seconds):
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.001:
        return f"{show(seconds * 1000)} ms"
    return f"{show(seconds * 1000000)} µs"


class Table:
    """Printed row by row, so that a long run shows how far it is."""

    widths = (40, 22, 26, 10, 8, 6)

    def __init__(self, form, judge):
        self.form, self.judge = form, judge
        self.rows = []
        self.below = False
        self.about = {}

    def _line(self, *cells):
        text = "  ".join(cell.ljust(width) for cell, width in
                         zip(cells, (*self.widths, 0)))
        print(text.rstrip(), flush=True)

    def begin(self, about):
        self.about = about
        if self.form == "text":
            for name, value in about.items():
                print(f"{name}: {value}")
            print()
            self._line("what", "taskgate", "beside", "value", "must", "aim",
                       "")

    def add(self, row):
        self.rows.append(row)
        judged = self.judge and row.bound
        verdict = ("PASS" if row.holds else "BELOW") if judged else ""
        self.below = self.below or verdict == "BELOW"
        if self.form == "text":
            self._line(row.name, row.ours, row.theirs, row.text, row.bound,
                       "" if row.aim is None else show(row.aim), verdict)

    def finish(self):
        if self.form != "json":
            return
        json.dump({"about": self.about, "rows": [
            {**dataclasses.asdict(row),
             "verdict": None if not self.judge or not row.bound
             else "PASS" if row.holds else "BELOW"}
            for row in self.rows]}, sys.stdout, indent="\t",
            ensure_ascii=False)
        print()


def ratio_row(name, ours, theirs, *, faster=False, **bounds):
    """Of two lists of seconds: how many times faster (or, which of the
    time)."""
    our, their = statistics.median(ours), statistics.median(theirs)
    value = their / our if faster else our / their
    return Row(name, show_time(our), show_time(their), value,
               f"{show(value)}×", **bounds)


def alternate(rounds, *runs, between=lambda: None):
    """Each run once in every round, the order turning from round to round;
    returns the values by run. The first round is not counted: caches fill."""
    values = [[] for _ in runs]
    for turn in range(rounds + 1):
        order = list(range(len(runs)))
        for index in order[turn % len(order):] + order[:turn % len(order)]:
            between()
            value = runs[index]()
            if turn > 0:
                values[index].append(value)
    return values


def timed(run, prepare=tuple):
    """A function that runs it, on what was prepared for it, and returns how
    long that took."""
    def measure():
        prepared = prepare()
        before = time.perf_counter()
        run(*prepared)
        return time.perf_counter() - before
    return measure


def status_bytes(pid, field):
    """VmRSS, VmHWM of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


def private_bytes(pid):
    """Memory that would be free without the process."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in text.splitlines()
                      if line.startswith("Private_"))


class Bench:
    def __init__(self, engine, quick, table):
        self.engine, self.quick, self.table = engine, quick, table

    def count(self, full, quick):
        return quick if self.quick else full

    def run(self, only):
        # They use this module.
        import bench_gateway
        import bench_memory
        import bench_output
        import bench_policy
        import bench_review
        import bench_store
        import bench_tasks
        import bench_verify
        benchmarks = {
            "cold": bench_tasks.cold,
            "throughput": bench_tasks.throughput,
            "warm": bench_tasks.warm,
            "idle": bench_memory.idle,
            "output": bench_output.output,
            "store": bench_store.store,
            "decide": bench_policy.decide,
            "replay": bench_policy.replay,
            "records": bench_review.records,
            "review": bench_review.review,
            "verify": bench_verify.verify,
            "http": bench_gateway.http,
            "handshake": bench_gateway.handshake,
            "memory": bench_gateway.memory,
            "flood": bench_gateway.flood,
        }
        for name in only or ():
            if name not in benchmarks:
                sys.exit(f"there is no benchmark {name}: "
                         + " ".join(benchmarks))
        self.table.begin(self._describe())
        for name, benchmark in benchmarks.items():
            if not only or name in only:
                benchmark(self)

    def _describe(self):
        version = self.engine.call("GET", "/version")
        cpu = next((line.partition(":")[2].strip() for line in
                    pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                    if line.startswith("model name")), platform.machine())
        processors = subprocess.run(["nproc"], capture_output=True, text=True,
                                    check=True).stdout.strip()
        return {"machine": f"{processors} × {cpu}",
                "kernel": platform.release(),
                "engine": version["Version"]}

    def site(self, rules=None, *, runner=None, gateway=None, members=("alice",)):
        """An installation that is ready. Give it back with tear_down()."""
        site = Site(self.engine)
        try:
            site.set_up({"version": 1, "rules": rules or [plain_rule()]},
                        {"requests_per_principal": 1000000,
                         **(gateway or {})}, runner)
            for name in members:
                site.enroll(name)
            site.start()
        except BaseException:
            site.show_logs()
            raise
        return site


def plain_rule(name="bench", subjects=("alice",), **members):
    return rule(name, list(subjects), **members)


class Caller:
    """Requests on one connection that stays open."""

    def __init__(self, site, who="alice"):
        self.site, self.who = site, who
        self.wire = site.wire(who, timeout=120)

    def close(self):
        self.wire.close()

    def call(self, method, path, body=None):
        return self.send(method, self.site.request_bytes(
            method, path, body, who=self.who))

    def send(self, method, data):
        self.wire.send(data)
        answer = self.wire.answer(method)
        assert answer.status < 300, (answer.status, answer.body)
        return answer

    def sign(self, *args, image=BUSYBOX, wait=60):
        """The bytes that submit a task, signed: Python's share of it."""
        return self.site.request_bytes(
            "POST", f"/v1/tasks?wait={wait}",
            {"image": image, "args": list(args)}, who=self.who)

    def run(self, data):
        """A task from its submission to its result."""
        task = self.send("POST", data).json
        assert task["outcome"] == "succeeded", task
        return task

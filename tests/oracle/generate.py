"""Policies, callers, requests and times, out of a seeded generator: many rules
about few images and callers, and requests that a rule would let through, most
of them changed a little. So every verdict is a near miss of another."""

import base64
import datetime
import random

NAMES = ("demo/busybox", "demo/tool", "tools/a/resize", "host:5000/x/y", "busy")
DIGESTS = ["sha256:" + digit * 64 for digit in "07f"]
SUBJECTS = ("alice", "bob", "ci-1", "ci-22", "ops")
ROLES = ("dev", "ops-1", "ops-x", "builder")
WORDS = ("echo", "sh", "-c", "hello", "a/b", "*", "--", "ü", "", "10", "x.txt",
         "/pictures/1/2.png", "/pictures/", "rm -rf /", "[x]", "a-b_c")
VARIABLES = ("LANG", "QUALITY", "PATH_1", "_x", "A")
PATTERNS = ("*", "**", "?", "[a-z]*", "*.txt", "/pictures/**", "/pictures/*",
            "[-a-]*", "[]x]*", "[*]", "a?b*", "??", "[0-9][0-9]*", "**/2.png",
            "h*l*o", "[a-zA-Z_.-]*", "*[a-c]/*", "[/a]**", "a**b*c", "[ab/-]*b")
LIMITS = {
    "memory": (6 << 20, ("8MiB", "64MiB", 67108865, "1GiB", "100MiB", 6 << 20)),
    "cpus": (None, ("0.5", "2", 1, "0.01", "1.001", "16", "0.999")),
    "pids": (2, (2, 3, 63, 64, 65, 1000)),
    "timeout": (1, (1, "59s", "1m", 61, "5m", "1h", "1d")),
    "output": (0, (0, 1, "10MiB", 10485761, "1GiB", "1KiB")),
    "tmp": (4096, (4096, "16MiB", 16777217, "1MiB", "1GiB")),
    "stdin": (0, (0, 1, 5, 6, "10MiB", "1GiB")),
}
TASKS = ("resize", "resize.2", "report")
PARAMS = ("width", "mode", "name", "x-y", "z_1")
STRINGS = ("a.png", "a", "", "-a", "a-", "a b", "a/b", "../a", "a/..", ".", "..a",
           "a\tb", "a\nb", "ü", "a{width}b", "}", "A_9", "x" * 256, "x" * 257,
           "{{", "a|b", "12", "\x7f", "а.png")
CLOCKS = ("00:00", "00:01", "08:00", "12:00", "18:30", "23:59", "24:00")
MONDAY = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)
EXPIRIES = ("2030-12-31T23:59:59Z", "2026-03-04T12:00:00Z",
            "2026-03-05T23:59:00.000Z", "2026-03-06T00:00:00.001Z")
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Generator:
    def __init__(self, seed, oracle):
        self.random = random.Random(seed)
        self.oracle = oracle

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, values):
        return self.random.choice(values)

    # ---- images

    def image(self):
        kind = self.random.random()
        if kind < 0.1:
            return self.pick(DIGESTS)
        name = self.pick(NAMES)
        if kind < 0.25:
            return f"{name}@{self.pick(DIGESTS)}"
        if kind < 0.5:
            return f"{name}:{self.pick(('latest', '1.36', 'v1', 'v2.3'))}"
        return name if name != "busy" else "busy:latest"

    def image_pattern(self):
        return self.pick((
            "demo/*", "demo/*:*", "**", "**:*", "demo/**:v[0-9]*", "*/*",
            "demo/*@sha256:*", "**@sha256:0*", "sha256:*", "sha256:[07]*",
            "demo/t?ol", "demo/[a-c]*", "host:5000/**", "*:v1", "tools/*/resize",
            "tools/**", "demo/busybox:1.[0-9]*"))

    # ---- rules

    def subject(self):
        return self.pick((
            *SUBJECTS, *(f"role:{role}" for role in ROLES), "ci-*", "ci-?",
            "**", "*", "role:ops-?", "role:*", "[ab]*", "role:[d-e]*", "?ps"))

    def template(self):
        kind = self.random.random()
        if kind < 0.3:
            return self.pick(WORDS)
        if kind < 0.5:
            return {"enum": self.random.sample(
                WORDS, self.random.randint(1, 4))}
        if kind < 0.7:
            least = self.pick((-5, 0, 1, 10, -(1 << 63)))
            return {"integer": {"min": least, "max": self.pick(
                (least, max(least, 10), (1 << 63) - 1))}}
        return {"pattern": self.pick(PATTERNS)}

    def rest(self):
        rest = {"rest": self.template()}
        if self.chance(0.5):
            rest["min"] = self.random.randint(0, 2)
        if self.chance(0.5):
            rest["max"] = self.random.randint(max(1, rest.get("min", 0)), 4)
        return rest

    def args_of_rule(self):
        args = [self.template() for _ in range(self.pick((0, 0, 1, 1, 2, 3)))]
        if self.chance(0.5):
            args.append(self.rest())
        return args

    def limit_of_rule(self, name):
        read = self.oracle.LIMITS[name][0]
        values = sorted(self.random.sample(LIMITS[name][1], 2), key=read)
        both = {"default": values[0], "max": values[1]}
        return self.pick((both, {"default": values[0]}, {"max": values[1]},
                          {"max": values[0]}))

    def rule(self, number):
        rule = {
            "id": f"rule-{number}",
            "subjects": self.random.sample(
                sorted({self.subject() for _ in range(4)}), 1),
            "image": self.image_pattern() if self.chance(0.4)
            else self.image(),
        }
        for name, probability, make in (
                ("args", 0.9, self.args_of_rule),
                ("env", 0.5, lambda: {
                    name: self.template() for name in self.random.sample(
                        VARIABLES, self.random.randint(1, 3))}),
                ("stdin", 0.5, lambda: self.pick(
                    ("none", "inline", "stream"))),
                ("inputs", 0.4, lambda: self.random.randint(0, 3)),
                ("outputs", 0.4, lambda: self.random.randint(0, 3)),
                ("limits", 0.7, lambda: {
                    name: self.limit_of_rule(name)
                    for name in self.random.sample(
                        sorted(LIMITS), self.random.randint(1, 4))}),
                ("user", 0.3, lambda: {
                    "uid": self.pick((0, 2000)), "gid": self.pick((1, 2000))}),
                # No part of the verdict.
                ("rate", 0.2, lambda: [{
                    "tasks": self.random.randint(1, 3), "per": "1m"}]),
                ("concurrency", 0.2, lambda: {
                    "total": self.random.randint(1, 3)}),
                ("unsigned", 0.3, lambda: self.chance(0.5)),
                ("hours", 0.2, self.hours),
                ("expires", 0.2, lambda: self.pick(EXPIRIES)),
                ("mode", 0.2, lambda: self.pick(("shadow", "enforce"))),
                ("//", 0.1, lambda: ["any", {"thing": None}])):
            if self.chance(probability):
                rule[name] = make()
        if self.chance(0.25):
            self.make_task(rule)
        elif self.chance(0.15):
            rule.update(digest_required=self.chance(0.9), image=self.pick(
                (*NAMES[:4], "demo/*", "*/*", "**", "tools/**", "host:5000/*/y",
                 "demo/[bt]*")))
        if rule.get("digest_required") is None and self.chance(0.15):
            rule.update(image=self.tagged(), digest=self.pick(DIGESTS))
        if self.chance(0.15):
            self.add_entrypoint(rule)
        return rule

    def tagged(self):
        return self.pick(NAMES[:4]) + self.pick(("", ":latest", ":1.36", ":v1"))

    def add_entrypoint(self, rule):
        """An empty one wants an argument."""
        args = rule.get("args", ())
        words = [["/bin/x"], ["sh", "-c", ""]]
        if args and "rest" not in args[0]:
            words.append([])
        rule["entrypoint"] = self.pick(words)

    # ---- times

    def hours(self):
        windows = []
        for _ in range(self.random.randint(1, 2)):
            begins, ends = self.random.sample(CLOCKS, 2)
            if begins == "24:00":
                begins, ends = ends, begins
            window = {"from": begins, "to": ends}
            if self.chance(0.5):
                window["days"] = self.random.sample(
                    self.oracle.DAYS, self.random.randint(1, 5))
            windows.append(window)
        return windows

    def now(self):
        """Around the times that the rules have."""
        clock = self.pick((*CLOCKS, "12:34"))
        day = MONDAY + self.random.randint(0, 7) * self.oracle.DAY
        now = (day + self.oracle.since_midnight(clock)
               - self.oracle.time_of(0))
        return round(now.total_seconds() * 1000) + self.pick((-1, 0, 0, 1))

    # ---- named tasks

    def string(self):
        string = {}
        for name, probability, make in (
                ("pattern", 0.4, lambda: self.pick(
                    ("*.png", "**", "[a-z]*", "a?b", "?", "[.a-z]*"))),
                ("min", 0.3, lambda: self.random.randint(0, 3)),
                ("max", 0.3, lambda: self.pick((3, 5, 256, 257, 4096))),
                ("allow", 0.6, lambda: self.random.sample(
                    sorted(self.oracle.ADDED), self.random.randint(1, 3)))):
            if self.chance(probability):
                string[name] = make()
        return string

    def param(self):
        kind = self.random.random()
        if kind < 0.3:
            param = {"enum": self.random.sample(STRINGS[:12] + ("7", "300"),
                                                self.random.randint(1, 4))}
        elif kind < 0.6:
            least = self.pick((-5, 0, 16))
            param = {"integer": {"min": least,
                                 "max": self.pick((least, 16, 4096))}}
        else:
            param = {"string": self.string()}
        if self.chance(0.3):
            fitting = [value for value in (*STRINGS, "7", "16")
                       if self.oracle.fits_param(param, value)]
            if fitting:
                param["default"] = self.pick(fitting)
        return param

    def make_task(self, rule):
        """What a rule needs, to be for a named task."""
        names = self.random.sample(PARAMS, self.random.randint(0, 3))
        args = [self.pick(("--{{", "-", "{{x}}", "a}}")) + "{" + name + "}" +
                self.pick(("", "px", "{" + name + "}", "}}")) for name in names]
        args.insert(self.random.randint(0, len(args)), "convert")
        rule.pop("args", None)
        rule.update(task=self.pick(TASKS), image=self.image())
        if names:
            rule["params"] = {name: self.param() for name in names}
        if names or self.chance(0.5):
            rule["args"] = args

    def value_of_param(self, param):
        if "integer" in param:
            bounds = param["integer"]
            number = self.pick((bounds["min"], bounds["max"],
                                bounds["max"] + 1, 7))
            return self.pick((number, str(number), f"0{number}"))
        fitting = [value for value in (*STRINGS, "7")
                   if self.oracle.fits_param(param, value)]
        return self.pick(fitting if fitting and self.chance(0.8)
                         else (*STRINGS, 7, -12))

    def params(self, rule):
        return {name: self.value_of_param(param)
                for name, param in rule.get("params", {}).items()
                if "default" not in param or self.chance(0.5)}

    def change_params(self, request):
        if "task" not in request:
            return
        request["params"][self.pick(PARAMS)] = self.pick((*STRINGS, 7, -12))

    def policy(self):
        return {"version": 1, "rules": [
            self.rule(k) for k in range(self.random.randint(1, 8))]}

    # ---- callers

    def principal(self, rule):
        name = self.pick(rule["subjects"])
        principal = {"subject": self.pick(SUBJECTS), "roles": sorted(
            self.random.sample(ROLES, self.pick((0, 0, 1, 2))))}
        if self.oracle.is_pattern(name) or self.chance(0.1):
            return principal
        if name.startswith("role:"):
            principal["roles"] = sorted(
                {*principal["roles"], name.removeprefix("role:")})
        else:
            principal["subject"] = name
        return principal

    # ---- requests that a rule lets through, as far as can be guessed

    def value(self, template):
        if isinstance(template, str):
            return template
        if "enum" in template:
            return self.pick(template["enum"])
        if "integer" in template:
            bounds = template["integer"]
            return str(self.pick((bounds["min"], bounds["max"],
                                  min(bounds["min"] + 1, bounds["max"]))))
        fitting = [word for word in (*WORDS, "a1b2c", "hello", "ab", "a-", "]b",
                                     "xy.txt", "a/bb", "77")
                   if self.oracle.is_match(template["pattern"], word)]
        return self.pick(fitting or WORDS)

    def args(self, rule):
        args = []
        for template in rule.get("args", ()):
            if isinstance(template, dict) and "rest" in template:
                least = template.get("min", 0)
                most = min(template.get("max", 4), 4)
                args += [self.value(template["rest"]) for _ in range(
                    self.random.randint(least, max(least, most)))]
            else:
                args.append(self.value(template))
        return args

    def image_for(self, rule):
        name = self.oracle.fill_in(rule["image"])
        if not self.oracle.is_pattern(name) and "digest_required" not in rule:
            return name
        images = [image for image in (self.image() for _ in range(20))
                  if self.oracle.is_candidate(rule, {"image": image})]
        return self.pick(images or [self.image()])

    def limits(self, rule):
        limits = {}
        for name in self.random.sample(sorted(LIMITS), 2):
            read = self.oracle.LIMITS[name][0]
            most = self.oracle.bounds_of(rule, name)[1]
            fitting = [value for value in LIMITS[name][1]
                       if read(value) <= most]
            if fitting:
                limits[name] = self.pick(fitting)
        return limits

    def stdin(self, mode):
        text = self.pick(("", "a", "hello", "hello!", "ü" * 3))
        if mode == "stream" and self.chance(0.5):
            return {"stream": True}
        if self.chance(0.5):
            return {"text": text}
        return {"base64": base64.b64encode(text.encode()).decode()}

    def request(self, rule):
        if "task" in rule:
            request = {"task": rule["task"], "params": self.params(rule)}
        else:
            request = {"image": self.image_for(rule), "args": self.args(rule)}
        env = rule.get("env", {})
        if env and self.chance(0.7):
            request["env"] = {name: self.value(env[name]) for name in
                              self.random.sample(sorted(env), 1)}
        if rule.get("stdin", "none") != "none" and self.chance(0.6):
            request["stdin"] = self.stdin(rule["stdin"])
        if self.chance(0.5):
            request["limits"] = self.limits(rule)
        for name in ("inputs", "outputs"):
            self.put_files(request, name, self.random.randint(
                0, rule.get(name, 0)))
        return request

    @staticmethod
    def put_files(request, name, count):
        names = [f"file-{k}" for k in range(count)]
        if count > 0:
            request[name] = (names if name == "outputs" else
                             {file: SHA256 for file in names})

    # ---- near misses

    def change_image(self, request):
        if "task" in request:
            request["task"] = self.pick(TASKS)
        else:
            request["image"] = self.image()

    def change_args(self, request):
        args = request.get("args")
        if args is None:
            return
        at = self.random.randint(0, len(args))
        if self.chance(0.4) and args:
            del args[min(at, len(args) - 1)]
        elif self.chance(0.5):
            args.insert(at, self.pick(WORDS))
        elif args:
            at = min(at, len(args) - 1)
            args[at] = self.pick((
                args[at] + self.pick((" ", "0", "/", "a", "\n")),
                args[at][1:], "+" + args[at], "0" + args[at],
                args[at].upper(), self.nearby_number(args[at])))

    def nearby_number(self, text):
        try:
            return str(int(text) + self.pick((-1, 1)))
        except ValueError:
            return "-0"

    def change_env(self, request):
        env = request.setdefault("env", {})
        env[self.pick(VARIABLES)] = self.pick(WORDS)

    def change_stdin(self, request):
        request["stdin"] = self.stdin("stream")

    def change_files(self, request):
        self.put_files(request, self.pick(("inputs", "outputs")),
                       self.random.randint(0, 4))

    def change_limits(self, request):
        name = self.pick(sorted(LIMITS))
        request.setdefault("limits", {})[name] = self.pick(LIMITS[name][1])

    def pair(self, policy):
        """(principal, request, now_ms) that this policy has to do with."""
        rule = self.pick(policy["rules"])
        request = self.request(rule)
        for change, probability in (
                (self.change_image, 0.05), (self.change_args, 0.15),
                (self.change_params, 0.15),
                (self.change_env, 0.08), (self.change_stdin, 0.08),
                (self.change_files, 0.08), (self.change_limits, 0.12)):
            if self.chance(probability):
                change(request)
        for name in ("args", "params"):
            if not request.get(name, True) and self.chance(0.5):
                del request[name]
        return self.principal(rule), request, self.now()

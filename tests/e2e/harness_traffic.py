"""Weeks of made-up calls, put on record by the runner's own code, and what
two policies say of each of them, decided here once more."""

import json
import os
import pathlib
import random
import subprocess
import time

BIN = pathlib.Path(os.environ["TASKGATE_BIN"])
DAY_MS = 86400 * 1000

SUBJECTS = [("alice", ["dev"]), ("bob", []), ("carol", ["dev", "ops"]),
            ("ci-1", []), ("ci-2", [])]


def policy(width_max, subjects=("role:dev", "ci-*")):
    """What `judge` below says in another way."""
    def rule(name, image, who, args, **members):
        return {"id": name, "subjects": who, "image": image, "args": args,
                **members}
    return {"version": 1, "rules": [
        rule("resize", "tools/resize", list(subjects),
             [{"enum": ["fit", "crop"]},
              {"integer": {"min": 16, "max": width_max}}],
             env={"LANG": {"enum": ["C", "C.UTF-8"]},
                  "SECRET": {"pattern": "[a-z]*"}},
             limits={"memory": {"default": "64MiB", "max": "256MiB"}}),
        rule("thumbnail", "tools/resize", ["alice"],
             ["fit", {"integer": {"min": 1, "max": 64}}]),
        rule("report", "tools/report", ["**"],
             [{"rest": {"pattern": "[0-9]*"}, "max": 3}]),
        rule("draw", "tools/resize", ["bob"], ["--width={width}"],
             task="draw",
             params={"width": {"integer": {"min": 1, "max": width_max}}}),
    ]}


def judge(call, width_max):
    """The rule that allows a call, or None."""
    request, roles = call["request"], call["roles"]
    args, env = request.get("args", []), request.get("env", {})
    if not call["signed"]:
        return None
    if "task" in request:
        return "draw" if (
            request["task"] == "draw" and call["subject"] == "bob" and
            1 <= request["params"]["width"] <= width_max) else None
    if request["image"] == "tools/resize":
        width = int(args[1]) if len(args) == 2 else -1
        if (("dev" in roles or call["subject"].startswith("ci-"))
                and len(args) == 2 and args[0] in ("fit", "crop")
                and 16 <= width <= width_max
                and env.get("LANG", "C") in ("C", "C.UTF-8")
                and request.get("limits", {}).get("memory", 0) <= 256 << 20):
            return "resize"
        if (call["subject"] == "alice" and len(args) == 2
                and args[0] == "fit" and 1 <= width <= 64 and not env
                and "memory" not in request.get("limits", {})):
            return "thumbnail"
    if request["image"] == "tools/report":
        if len(args) <= 3 and not env and not request.get("limits"):
            return "report"
    return None


def make(count, days, seed):
    """Calls of the last so many days, oldest first."""
    luck = random.Random(seed)
    now = int(time.time() * 1000)
    times = sorted(now - luck.randrange(days * DAY_MS) - 1000
                   for _ in range(count))
    for when in times:
        subject, roles = luck.choice(SUBJECTS)
        request = {"image": luck.choice(
            ["tools/resize", "tools/resize", "tools/report", "other",
             "task"])}
        if request["image"] == "task":
            request = {"task": luck.choice(["draw", "draw", "paint"]),
                       "params": {"width": luck.randrange(1, 5000)}}
        elif request["image"] == "tools/resize":
            request["args"] = [luck.choice(["fit", "fit", "crop", "rm"]),
                               str(luck.randrange(1, 5000))]
            if luck.random() < 0.3:
                request["env"] = {"LANG": luck.choice(["C", "de"])}
            elif luck.random() < 0.2:
                request["env"] = {"SECRET": luck.choice(["swordfish", "x"])}
            if luck.random() < 0.2:
                request["limits"] = {
                    "memory": luck.choice([128 << 20, 512 << 20])}
        elif request["image"] == "tools/report":
            request["args"] = [str(luck.randrange(100))
                               for _ in range(luck.randrange(5))]
        yield {"time_ms": when, "subject": subject, "roles": roles,
               "signed": luck.random() < 0.95,
               "by": luck.choice(["gateway", "runner"]), "request": request}


def record(calls, rules, folder):
    """Writes a log of them; what the engine said of each, in their order."""
    path = folder / "recorded.json"
    path.write_text(json.dumps(rules))
    done = subprocess.run(
        [BIN.parent / "tests" / "traffic", path, folder / "store.db"],
        input="".join(json.dumps(call) + "\n" for call in calls),
        capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def replay(rules, folder, *words, database=None):
    """taskgate-admin policy replay; what it says and how it ends."""
    path = folder / "new.json"
    path.write_text(json.dumps(rules))
    return subprocess.run(
        [BIN / "taskgate-admin", "policy", "replay", path, "--database",
         database or folder / "store.db", *words],
        capture_output=True, text=True, timeout=300, check=False)

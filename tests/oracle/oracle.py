"""A second reading of docs/policy.md: naive, without an index, and written
from that page alone. Whoever changes the language writes the page first, then
this, and looks at policy/*.c for neither; test_oracle.py finds where the two
readings part.

It takes policies that hold what the page says they must (the engine's reader
refuses the others) and requests as api.md has them.
"""

import base64
import datetime
import re

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
         "TiB": 1 << 40}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def size(value):
    if isinstance(value, int):
        return value
    number, unit = re.fullmatch(r"([0-9]+)([A-Za-z]+)", value).groups()
    return int(number) * UNITS[unit]


def duration(value):
    if isinstance(value, int):
        return value
    return int(value[:-1]) * SECONDS[value[-1]]


def processors(value):
    """Thousandths."""
    whole, _, part = str(value).partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0") or 0)


# "Limits": how each is written, and its usual default.
LIMITS = {
    "memory": (size, 64 << 20),
    "cpus": (processors, 1000),
    "pids": (int, 64),
    "timeout": (duration, 60),
    "output": (size, 10 << 20),
    "tmp": (size, 16 << 20),
    "stdin": (size, 10 << 20),
}


# ---- patterns

def tokens(pattern):
    """[("any" | "segment" | "set", bytes)]: what each part of it takes."""
    found, at = [], 0
    every = bytes(range(256))
    while at < len(pattern):
        if pattern[at:at + 2] == b"**":
            found.append(("many", every))
            at += 2
        elif pattern[at:at + 1] == b"*":
            found.append(("many", every.replace(b"/", b"")))
            at += 1
        elif pattern[at:at + 1] == b"?":
            found.append(("one", every.replace(b"/", b"")))
            at += 1
        elif pattern[at:at + 1] == b"[":
            # "] first ... stands for itself"
            end = pattern.index(b"]", at + 2)
            found.append(("one", members(pattern[at + 1:end])))
            at = end + 1
        else:
            found.append(("one", pattern[at:at + 1]))
            at += 1
    return found


def members(text):
    """The bytes of a class; "- first or last" stands for itself."""
    found, at = set(), 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1:at + 2] == b"-" and (
                text[at:at + 1] != b"-" or at > 0):
            found.update(range(text[at], text[at + 2] + 1))
            at += 3
        else:
            found.add(text[at])
            at += 1
    return bytes(found)


def is_match(pattern, value):
    """Every place that the parts so far can lead to, part by part."""
    value = value.encode()
    places = {0}
    for kind, taken in tokens(pattern.encode()):
        if kind == "one":
            places = {place + 1 for place in places
                      if place < len(value) and value[place] in taken}
            continue
        reached = set()
        for place in places:
            reached.add(place)
            while place < len(value) and value[place] in taken:
                place += 1
                reached.add(place)
        places = reached
    return len(value) in places


def is_pattern(text):
    return any(byte in text for byte in "?*[")


# ---- templates

def fits(template, value):
    if isinstance(template, str):
        return template == value
    if "enum" in template:
        return value in template["enum"]
    if "integer" in template:
        bounds = template["integer"]
        return (re.fullmatch(r"0|-?[1-9][0-9]*", value, re.ASCII) is not None
                and bounds["min"] <= int(value) <= bounds["max"])
    return is_match(template["pattern"], value)


# ---- images

def image_kind(name):
    """"only against its own kind": id, digest or tag."""
    if name.startswith("sha256:"):
        return "id"
    return "digest" if "@" in name else "tag"


def fill_in(name):
    """:latest "where there is neither tag nor digest"."""
    if image_kind(name) == "tag" and ":" not in name.rsplit("/", 1)[-1]:
        return name + ":latest"
    return name


def is_candidate(rule, request):
    """"Of a request for a named task, those whose task is the request's"."""
    if "task" in request:
        return rule.get("task") == request["task"]
    if "task" in rule:
        return False
    if rule.get("digest_required"):
        return names_bare_image(rule, request["image"])
    return names_image(rule, request["image"])


def bare(name):
    """Without tag or digest."""
    folder, slash, last = name.split("@")[0].rpartition("/")
    return folder + slash + last.split(":")[0]


def names_bare_image(rule, image):
    """"With any tag or any digest (not for image ids)"."""
    if image_kind(image) == "id":
        return False
    if is_pattern(rule["image"]):
        return is_match(rule["image"], bare(image))
    return rule["image"] == bare(image)


def names_image(rule, image):
    wanted, asked = fill_in(rule["image"]), fill_in(image)
    if image_kind(wanted) != image_kind(asked):
        return False
    if is_pattern(wanted):
        return is_match(wanted, asked)
    return wanted == asked


# ---- callers

def names_caller(rule, principal):
    for subject in rule["subjects"]:
        is_role = subject.startswith("role:")
        wanted = subject.removeprefix("role:")
        for name in (principal["roles"] if is_role
                     else [principal["subject"]]):
            if is_match(wanted, name) if is_pattern(wanted) \
                    else wanted == name:
                return True
    return False


# ---- named tasks

PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
ADDED = {
    "dash": b"",
    "slash": b"/",
    "blank": b" ",
    "punctuation": bytes(range(0x21, 0x7f)).replace(b"/", b""),
    "lines": b"\t\n",
    "utf8": bytes(range(0x80, 0x100)),
}


def fits_string(string, value):
    allow, data = string.get("allow", ()), value.encode()
    known = PLAIN + b"".join(ADDED[name] for name in allow)
    return (string.get("min", 1) <= len(data) <= string.get("max", 256)
            and ("dash" in allow or not data.startswith(b"-"))
            and not {b".", b".."} & set(data.split(b"/"))
            and all(byte in known for byte in data)
            and ("pattern" not in string
                 or is_match(string["pattern"], value)))


def fits_param(param, value):
    if "string" in param:
        return fits_string(param["string"], value)
    return fits(param, value)


def params_of(rule):
    return {name: param for name, param in rule.get("params", {}).items()
            if name != "//"}


def given_params(request):
    """"A JSON integer is its decimal number"."""
    return {name: str(value)
            for name, value in request.get("params", {}).items()}


def check_digest(rule, request):
    if rule.get("digest_required") and \
            image_kind(request["image"]) != "digest":
        yield "digest_required"


def check_params(rule, request):
    params, given = params_of(rule), given_params(request)
    for name in sorted(given):
        if name not in params:
            yield f"params.{name}"
    for name in sorted(params):
        if name not in given:
            if "default" not in params[name]:
                yield f"params.{name}"
        elif not fits_param(params[name], given[name]):
            yield f"params.{name}"


def fill_placeholders(template, values):
    """"{{ and }} are braces"; what is filled in is not looked into."""
    out, at = "", 0
    while at < len(template):
        if template[at:at + 2] in ("{{", "}}"):
            out += template[at]
            at += 2
        elif template[at] == "{":
            end = template.index("}", at)
            out += values[template[at + 1:end]]
            at = end + 1
        else:
            out += template[at]
            at += 1
    return out


def pinned(rule, image):
    """"Gets tools/resize@sha256:…, whatever the tag means by now"."""
    return f"{bare(image)}@{rule['digest']}" if "digest" in rule else image


def what_runs(rule, request):
    """(image, args): a rule with `task` fixes both itself."""
    if "task" not in rule:
        return (pinned(rule, fill_in(request["image"])),
                request.get("args", []))
    given = given_params(request)
    values = {name: given.get(name, str(param.get("default")))
              for name, param in params_of(rule).items()}
    return (pinned(rule, fill_in(rule["image"])),
            [fill_placeholders(arg, values) for arg in rule.get("args", [])])


# ---- times

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)


def time_of(now_ms):
    return (datetime.datetime(1970, 1, 1, tzinfo=UTC)
            + datetime.timedelta(milliseconds=now_ms))


def is_over(rule, now_ms):
    """"From then on it allows nothing"."""
    return "expires" in rule and time_of(now_ms) >= \
        datetime.datetime.fromisoformat(rule["expires"])


def since_midnight(text):
    hours, minutes = text.split(":")
    return datetime.timedelta(hours=int(hours), minutes=int(minutes))


def is_within(window, now):
    begins, ends = since_midnight(window["from"]), since_midnight(window["to"])
    if ends < begins:
        ends += DAY
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return any(day + begins <= now < day + ends
               and DAYS[day.weekday()] in window.get("days", DAYS)
               for day in (midnight - DAY, midnight))


def check_time(rule, now_ms):
    if is_over(rule, now_ms):
        yield "expires"
    if "hours" in rule and not any(
            is_within(window, time_of(now_ms)) for window in rule["hours"]):
        yield "hours"


# ---- limits

def bounds_of(rule, name):
    """(default, max)."""
    read, usual = LIMITS[name]
    said = {key: read(value)
            for key, value in rule.get("limits", {}).get(name, {}).items()
            if key != "//"}
    if "default" in said:
        return said["default"], said.get("max", said["default"])
    if "max" in said:
        return min(usual, said["max"]), said["max"]
    return usual, usual


def granted(rule, request, name):
    default, _ = bounds_of(rule, name)
    asked = request.get("limits", {}).get(name)
    return default if asked is None else LIMITS[name][0](asked)


# ---- the conditions, in their order; each yields what fails

def check_args(rule, request):
    if "task" in rule:
        return
    templates, args = list(rule.get("args", [])), request.get("args", [])
    least = most = len(templates)
    rest = None
    if templates and isinstance(templates[-1], dict) and \
            "rest" in templates[-1]:
        rest = templates.pop()
        least = len(templates) + rest.get("min", 0)
        most = len(templates) + rest.get("max", 1024)
    for k, arg in enumerate(args):
        if k >= len(templates) and rest is None:
            break
        template = templates[k] if k < len(templates) else rest["rest"]
        if not fits(template, arg):
            yield f"args[{k}]"
    if not least <= len(args) <= most:
        yield "args"


def check_env(rule, request):
    allowed = {name: value for name, value in rule.get("env", {}).items()
               if name != "//"}
    for name, value in sorted(request.get("env", {}).items()):
        if name not in allowed or not fits(allowed[name], value):
            yield f"env.{name}"


def stdin_of(request):
    """(how it comes, how long it is)."""
    stdin = request.get("stdin")
    if stdin is None:
        return "none", 0
    if "stream" in stdin:
        return "stream", 0
    if "text" in stdin:
        return "inline", len(stdin["text"].encode())
    return "inline", len(base64.b64decode(stdin["base64"]))


def check_stdin(rule, request):
    order = ("none", "inline", "stream")
    mode, length = stdin_of(request)
    if order.index(mode) > order.index(rule.get("stdin", "none")):
        yield "stdin"
    if length > granted(rule, request, "stdin"):
        yield "stdin"


def check_files(rule, request):
    for name in ("inputs", "outputs"):
        if len(request.get(name, ())) > rule.get(name, 0):
            yield name


def check_limits(rule, request):
    for name in LIMITS:
        if granted(rule, request, name) > bounds_of(rule, name)[1]:
            yield f"limits.{name}"


CONDITIONS = (check_digest, check_params, check_args, check_env, check_stdin,
              check_files, check_limits)


def first_failure(rule, request, now_ms):
    for failed in check_time(rule, now_ms):
        return failed
    for condition in CONDITIONS:
        for failed in condition(rule, request):
            return failed
    return None


# ---- the decision

def is_shadow(rule):
    """"Takes no part in the verdict"."""
    return rule.get("mode") == "shadow"


def grant(rule, request):
    user = rule.get("user", {"uid": -1, "gid": -1})
    image, args = what_runs(rule, request)
    return {"allowed": True, "rule": rule["id"], "image": image, "args": args,
            "entrypoint": rule.get("entrypoint"),
            "unsigned": rule.get("unsigned", False),
            "limits": {name: granted(rule, request, name)
                       for name in LIMITS},
            "uid": user["uid"], "gid": user["gid"]}


def decide(policy, principal, request, now_ms):
    """What is granted, or {"allowed": False, "rule", "condition"}: what the
    caller is told, both None where no rule names it; and in either case the
    "candidates" that name it, each with what fails first, and the same of
    all "shadows"."""
    everything = [(rule, first_failure(rule, request, now_ms)
                   if names_caller(rule, principal) else "subjects")
                  for rule in policy["rules"] if is_candidate(rule, request)]
    candidates = [(rule, failed) for rule, failed in everything
                  if not is_shadow(rule) and failed != "subjects"]
    allowing = [rule for rule, failed in candidates if failed is None]
    if allowing:
        said = grant(allowing[0], request)
    else:
        rule, failed = candidates[0] if candidates else ({}, None)
        said = {"allowed": False, "rule": rule.get("id"), "condition": failed}
    return said | {
        "candidates": [[rule["id"], failed] for rule, failed in candidates],
        "shadows": [[rule["id"], failed] for rule, failed in everything
                    if is_shadow(rule)]}

"""Whether docs/policy.md tells of every member and limit that there is, and
whether the man page made from it says all that the page says.

	check_policy_page.py ROOT PAGE    0 when both are so
	check_policy_page.py --self-test  0 when each kind of fault is found
"""

import collections
import pathlib
import re
import sys

MEMBER = re.compile(r'^MEMBER\("([a-z_]+)"', re.M)
LIMIT = re.compile(r'^LIMIT\([A-Z_]+, "([a-z_]+)"', re.M)
LINK = re.compile(r"\]\([^)]*\)")
WORD = re.compile(r"[\w./:@*?-]*\w[\w./:@*?-]*")
# Nothing else is used, so that every man(1) can read it.
REQUESTS = {".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".BR", ".nf", ".fi",
            ".RS", ".RE"}
ESCAPES = {"\\-": "-", "\\e": "\\", "\\(aq": "'", "\\(bu": "", "\\&": "",
           "\\fB": " ", "\\fI": " ", "\\fR": " "}


def section(text, heading):
    """What stands below the heading, up to the next."""
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def rows(text):
    """The names in the first cells of its tables."""
    return [name for cell in re.findall(r"^\|([^|]+)\|", text, re.M)
            for name in re.findall(r"`([^`]+)`", cell)]


def missing_rows(text, members, limits):
    for heading, names in (("A rule", members), ("Limits", limits)):
        told = rows(section(text, heading))
        for name in names:
            if name not in told:
                yield f"policy.md: {heading}: there is no row for `{name}`"
        for name in told:
            if name not in names:
                yield f"policy.md: {heading}: there is no `{name}`"


def plain(page):
    """A man page without its comments and escapes."""
    page = re.sub(r'^\.\\".*$', "", page, flags=re.M)

    def replace(match):
        return ESCAPES[match.group()]
    return re.sub(r"\\(?:f[BIR]|\((?:aq|bu)|.)", replace, page)


def words(text):
    return collections.Counter(
        word.casefold().strip(".:") for word in WORD.findall(
            re.sub(r"[`*|_]", " ", text)))


def lost_words(text, page):
    # The title is the man page's own; tables of members need no headings.
    text = re.sub(r"^# .*|^\| member \| \|$", "", text, flags=re.M)
    wanted = words(LINK.sub(" ", text).replace("[", " "))
    found = words(plain(page).replace("[", " ").replace("]", " "))
    for word, count in (wanted - found).items():
        # Without letters and digits there is nothing to lose.
        if word not in found:
            yield f"the man page: {word!r} is missing ({count} times)"


def bad_requests(page):
    for number, line in enumerate(page.splitlines(), 1):
        if line.startswith('.\\"'):
            continue
        if line[:1] in (".", "'") and line.split()[0] not in REQUESTS:
            yield f"the man page, line {number}: {line}"


def check(text, page, members, limits):
    try:
        yield from missing_rows(text, members, limits)
        yield from bad_requests(page)
        yield from lost_words(text, page)
    except KeyError as error:
        yield f"the man page: {error} is no escape of ours"


def self_test():
    text = ("# Policy\nOne word.\n## A rule\n| `id`, `env` | an *id* |\n"
            "## Limits\n| `cpus` | [many](x.md) |\n")
    page = (".\\\" what\n.TH X 5\n.PP\nOne word.\n.SH A RULE\n.TP\n\\fBid\\fR, \\fBenv\\fR\n"
            "an \\fIid\\fR\n.SH LIMITS\n.TP\n\\fBcpus\\fR\nmany\n")
    for members, limits, shown, faults in (
            (["id", "env"], ["cpus"], page, 0),
            (["id", "env", "args"], ["cpus"], page, 1),
            (["id"], ["cpus"], page, 1),
            (["id", "env"], [], page, 1),
            (["id", "env"], ["cpus"], page.replace("word", ""), 1),
            (["id", "env"], ["cpus"], page + ".so x\n", 1),
            (["id", "env"], ["cpus"], page + "\\x\n", 1)):
        found = list(check(text, shown, members, limits))
        assert len(found) == faults, (members, limits, found)


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    root, page = map(pathlib.Path, sys.argv[1:])
    policy = root / "policy"
    members = MEMBER.findall((policy / "rule_members.def").read_text())
    limits = LIMIT.findall((policy / "limits.def").read_text())
    assert len(members) > 10 and len(limits) > 5
    faults = list(check((root / "docs" / "policy.md").read_text(),
                        page.read_text(), members, limits))
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

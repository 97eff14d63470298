"""Whether what the documentation names is there: files, pages, and tests.

	check_docs.py ROOT        0 when everything is there
	check_docs.py --self-test 0 when each kind of fault is found
"""

import pathlib
import re
import sys
import tempfile

PAGES = ("README.md", "SECURITY.md", "docs/*.md")
FOLDERS = "admin|certs|client|docs|gateway|lib|policy|runner|tests"
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(rf"(?:{FOLDERS})/[A-Za-z0-9_./*-]*")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
TEST = re.compile(r"test_[a-z0-9_]+")
DEFINITION = re.compile(r"\b(test_[a-z0-9_]+)\(")


def known_tests(root):
    """Names of test functions and of test files."""
    names = set()
    for path in (*root.glob("tests/*/test_*.py"),
                 *root.glob("tests/*/test_*.c")):
        names.add(path.stem)
        names.update(DEFINITION.findall(path.read_text()))
    return names


def check_page(root, page, tests):
    """Faults of one page."""
    text = page.read_text()
    name = page.relative_to(root)
    for target in LINK.findall(text):
        if not (page.parent / target).exists():
            yield f"{name}: the link {target} leads nowhere"
    # Blocks are examples: what they name need not be ours.
    for code in CODE.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
        if FILE.fullmatch(code) and not any(root.glob(code.rstrip("/"))):
            yield f"{name}: there is no {code}"
        if TEST.fullmatch(code) and code not in tests:
            yield f"{name}: there is no test {code}"


def check(root):
    tests = known_tests(root)
    return [fault for pattern in PAGES
            for page in sorted(root.glob(pattern))
            for fault in check_page(root, page, tests)]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "lib").mkdir()
        (root / "lib" / "err.h").touch()
        (root / "tests" / "e2e").mkdir(parents=True)
        (root / "tests" / "e2e" / "test_a.py").write_text("def test_b(")
        page = root / "README.md"
        for text, faults in (
                ("`lib/err.h` [x](lib/err.h) `test_a` `test_b` `lib/`", 0),
                ("```sh\ncat `lib/none.h`\n```", 0),
                ("`lib/none.h`", 1), ("`lib/*.c`", 1),
                ("[x](none.md)", 1), ("`test_c`", 1)):
            page.write_text(text)
            found = check(root)
            assert len(found) == faults, (text, found)


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    faults = check(pathlib.Path(sys.argv[1]))
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

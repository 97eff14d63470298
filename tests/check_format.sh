#!/bin/bash
#
# Every C file of the repository is as clang-format writes it.
#
#	tests/check_format.sh		says what is not, and where
#	tests/check_format.sh --fix	rewrites it
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# What git knows of and what it does not yet, but not what it ignores.
mapfile -d '' -t files < <(
	git -c safe.directory='*' ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' |
		sort -zu)
if [ ${#files[@]} -eq 0 ]; then
	printf 'check_format: no C files found\n' >&2
	exit 1
fi
if [ "${1-}" = --fix ]; then
	exec clang-format -i -- "${files[@]}"
fi
clang-format --dry-run -Werror -- "${files[@]}" || exit
printf 'check_format: %d files\n' ${#files[@]}

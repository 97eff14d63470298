#!/bin/bash
#
# Builds taskgate and runs all its tests, against a Docker Engine of the
# suite's own. Run as root, because the end-to-end tests start processes as
# other users.
#
#	sudo ./test.sh			everything but the label soak
#	sudo ./test.sh -L unit		arguments are ctest's
#	sudo PRESET=asan ./test.sh	by clang with sanitizers and fuzz targets
#	sudo PRESET=release-tests ./test.sh -L e2e
#					the programs as they are installed
#	sudo PAUSES=100,500 ./test.sh -L e2e
#					a hundred times a second some process
#					is stopped for up to 500 ms: looks for
#					tests that count on who comes first
#
# Leaves nothing behind but build/PRESET, also when it is interrupted.
set -u

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit
preset=${PRESET:-dev}
build_dir=$source_dir/build/$preset
# shellcheck source=packages.sh
. "$source_dir/packages.sh"
# shellcheck source=tests/engine.sh
. "$source_dir/tests/engine.sh"

work=
job=
pauses=

fail() {
	printf 'test.sh: %s\n' "$*" >&2
	exit 1
}

# What a killed test could not end itself: processes of programs in $work.
end_leftovers() {
	local entry program pids=()
	for entry in /proc/[0-9]*; do
		program=$(readlink "$entry/exe" 2>/dev/null) || continue
		case $program in
		"$work"/*) pids+=("${entry#/proc/}") ;;
		esac
	done
	engine_end 10 "${pids[@]}"
}

# Engines that tests started for themselves lie below $work too.
end_engines() {
	local run
	for run in "$work"/*/engine/run; do
		[ -d "$run" ] && engine_stop "${run%/run}/state" "$run"
	done
	engine_stop "$work/engine/state" "$work/engine/run"
}

end_pauses() {
	[ -z "$pauses" ] || kill "$pauses"
	pauses=
}

clean_up() {
	local deadline
	trap '' INT TERM HUP
	end_pauses
	if [ -n "$job" ]; then
		kill -TERM -- "-$job" 2>/dev/null
		wait "$job" 2>/dev/null
		# ctest waits for no test: each still ends what it started.
		deadline=$((SECONDS + 30))
		while kill -0 -- "-$job" 2>/dev/null &&
			[ "$SECONDS" -lt "$deadline" ]; do
			sleep 0.1
		done
	fi
	[ -n "$work" ] || return
	end_leftovers
	end_engines
	engine_unmount "$work"
	rm -rf --one-file-system "$work"
}

# Some tools come with a server that would start at every boot: the program is
# taken out of the package instead.
provide() { # PACKAGE PATH
	local tools=$source_dir/build/tools name=${2##*/}
	PATH=$PATH:$tools
	command -v "$name" >/dev/null && return
	mkdir -p "$tools" || return
	(
		cd "$work" && apt-get download --quiet=2 "$1" &&
			dpkg-deb --fsys-tarfile "$1"_*.deb |
			tar -xO ".$2" >"$tools/$name.new"
	) && chmod 0755 "$tools/$name.new" &&
		mv "$tools/$name.new" "$tools/$name"
}

build() {
	(
		cd "$source_dir" &&
			cmake --preset "$preset" >"$work/cmake.log" &&
			cmake --build --preset "$preset"
	) || {
		cat "$work/cmake.log"
		return 1
	}
}

run_tests() { # CTEST ARGUMENT...
	local labels=(--label-exclude '^soak$') word
	for word; do
		case $word in
		-L* | --label-*) labels=() ;;
		esac
	done
	# Much of the time a test waits: one more than there are processors.
	# A job of its own: an interruption reaches this shell first, which
	# then ends the tests and cleans up after them.
	set -m
	ctest --test-dir "$build_dir" --output-on-failure \
		--no-tests=error --parallel $(($(nproc) + 1)) \
		"${labels[@]}" "$@" </dev/null &
	job=$!
	set +m
	if [ -n "${PAUSES-}" ]; then
		"$source_dir/tests/pauses.py" "${PAUSES%,*}" "${PAUSES#*,}" \
			"$job" "$work/" &
		pauses=$!
	fi
	wait "$job"
	result=$?
	end_pauses
	job=
	return "$result"
}

[ "$(id -u)" -eq 0 ] || fail 'must be run as root: sudo ./test.sh'
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

[[ ${PAUSES:-1,1} =~ ^[1-9][0-9]*,[1-9][0-9]*$ ]] ||
	fail "PAUSES: \"$PAUSES\" is not RATE,MILLISECONDS"
[ "$preset" = asan ] || packages_asan=()
packages_install "${packages_build[@]}" "${packages_run[@]}" \
	"${packages_test[@]}" "${packages_asan[@]}" || fail 'packages could not be installed'
work=$(mktemp -d /tmp/taskgate-test-XXXXXX) || exit
chmod 0755 "$work"
provide prometheus /usr/bin/promtool || fail 'promtool could not be provided'
# Benchmarks compare with it.
provide nginx /usr/sbin/nginx || fail 'nginx could not be provided'
build || fail 'the build failed'
# A group that is nobody's: only processes that are given it get in.
engine_start "$work/engine/state" "$work/engine/run" 59999 ||
	fail 'no Docker Engine'
export TMPDIR=$work PATH
export TASKGATE_TEST_ENGINE=unix://$work/engine/run/docker.sock
export TASKGATE_BIN=$build_dir/bin
run_tests "$@"

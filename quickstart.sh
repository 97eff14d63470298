#!/bin/bash
#
# Shows taskgate at work on this machine, from nothing but this checkout.
#
#	sudo ./quickstart.sh		install, build, start, demonstrate
#	sudo ./quickstart.sh down	stop and remove all of that again
#
# Everything it makes lies in demo/, or, where the two processes could not
# reach demo/ or somebody else could change a program in it, in
# /var/lib/taskgate-demo-HASH with links from demo/; sockets are in
# /run/taskgate-demo-HASH. HASH, the user ids and the ports follow from this
# folder's path, so that two checkouts do not meet. No account is made: the
# processes run under numbers that nobody has.
#
# Never touches an engine, a container or a process that it did not start; an
# image demo/busybox stays in an engine that was there before.
set -u
umask 022

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit
demo=$source_dir/demo
hash=$(printf '%s' "$source_dir" | sha256sum | cut -c1-10)
image=demo/busybox
# shellcheck source=packages.sh
. "$source_dir/packages.sh"
# shellcheck source=tests/engine.sh
. "$source_dir/tests/engine.sh"

fail() {
	printf '\nquickstart: %s\n' "$*" >&2
	exit 1
}

step() { # WHAT DETAIL
	printf '  %-10s %s\n' "$1" "$2"
}

heading() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

# -- where things lie and who is who

# Whether every folder on the way belongs to root, can be changed by nobody
# else, and can be passed by everybody.
path_is_safe() { # FOLDER
	local folder=$1 mode
	while :; do
		[ "$(stat -c %u "$folder")" -eq 0 ] || return 1
		mode=0$(stat -c %a "$folder")
		[ $((mode & 0022)) -eq 0 ] || [ $((mode & 01000)) -ne 0 ] ||
			return 1
		[ $((mode & 0001)) -ne 0 ] || return 1
		[ "$folder" != / ] || return 0
		folder=$(dirname "$folder")
	done
}

port_is_free() { # PORT
	! (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null
}

# Nobody's: no account's, no group's, no process's, no other demo's.
id_is_free() { # NUMBER
	! getent passwd "$1" >/dev/null && ! getent group "$1" >/dev/null &&
		! grep -qsE "^[UG]id:.*[[:space:]]$1([[:space:]]|\$)" \
			/proc/[0-9]*/status &&
		! stat -c "%u %g" /run/taskgate-demo-*/sockets 2>/dev/null |
			grep -qw "$1"
}

numbers_are_free() {
	local number
	for number in "$gateway_uid" "$runner_uid" "$task_uid" "$engine_gid"; do
		id_is_free "$number" || return 1
	done
	port_is_free "$port" && port_is_free "$operations_port"
}

# Four ids in 30000-58999 and two ports in 20000-31999: above accounts that
# are given out one by one, below those that systemd gives out, and outside of
# the range that outgoing connections take their ports from.
choose_numbers() {
	local seed=$((16#${hash:0:7})) try
	for try in {0..99}; do
		gateway_uid=$((30000 + (seed + try) % 7250 * 4))
		runner_uid=$((gateway_uid + 1))
		task_uid=$((gateway_uid + 2))
		engine_gid=$((gateway_uid + 3))
		port=$((20000 + (seed + try) % 6000 * 2))
		operations_port=$((port + 1))
		numbers_are_free && return
	done
	fail 'no free user ids and ports were found'
}

write_settings() {
	local name
	for name in source_dir runtime run gateway_uid runner_uid task_uid \
		engine_gid port operations_port; do
		printf '%s=%q\n' "$name" "${!name}"
	done >"$runtime/settings"
}

# Sets the variables that say where everything is; true when a demo stands.
read_settings() {
	local here=$source_dir
	runtime=/var/lib/taskgate-demo-$hash
	[ -e "$runtime/settings" ] || runtime=$demo
	run=/run/taskgate-demo-$hash
	# What others can write is not run as root.
	[ -e "$runtime/settings" ] && path_is_safe "$runtime" || return 1
	# shellcheck source=/dev/null
	. "$runtime/settings"
	[ "$source_dir" = "$here" ] ||
		fail "this demo was made for $source_dir: move the checkout" \
			"back and run ./quickstart.sh down there first"
}

make_folders() {
	mkdir -p "$demo" || exit
	if ! read_settings; then
		runtime=$demo
		path_is_safe "$demo" || runtime=/var/lib/taskgate-demo-$hash
		mkdir -p "$runtime" || exit
		choose_numbers
		write_settings || exit
	fi
	mkdir -p "$runtime"/{bin,log,people} "$run/engine" || exit
	# The folder of the runner's sockets belongs to the runner, and the
	# gateway's group may pass.
	install -d -m 0750 -o "$runner_uid" -g "$gateway_uid" "$run/sockets" &&
		install -d -m 0700 -o "$runner_uid" -g "$runner_uid" \
			"$runtime/state" || exit
	[ "$runtime" = "$demo" ] || link_folders
}

link_folders() {
	local name
	for name in bin etc log people state engine; do
		ln -sfn "$runtime/$name" "$demo/$name"
	done
}

# -- as whom things are done

owner_uid=$(stat -c %u "$source_dir") owner_gid=$(stat -c %g "$source_dir")
user_uid=${SUDO_UID:-0} user_gid=${SUDO_GID:-0}

as() { # UID GID COMMAND...
	local uid=$1 gid=$2
	shift 2
	if [ "$uid" -eq 0 ]; then
		"$@"
	else
		setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"
	fi
}

as_person() { # NAME COMMAND...
	local name=$1
	shift
	as "$user_uid" "$user_gid" env \
		"TASKGATE_CONTEXT=$runtime/people/$name" "$@"
}

admin() {
	"$runtime/bin/taskgate-admin" "$@"
}

# -- build and install

build() {
	local build_dir=$source_dir/build/release
	as "$owner_uid" "$owner_gid" mkdir -p "$source_dir/build" || exit
	# A checkout that was moved is configured anew.
	if [ ! -e "$build_dir/build.ninja" ] ||
		! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$source_dir" \
			"$build_dir/CMakeCache.txt"; then
		step building 'with the preset release'
		(cd "$source_dir" && as "$owner_uid" "$owner_gid" \
			cmake --preset release --fresh) \
			>"$runtime/log/build" 2>&1 || build_failed
	fi
	as "$owner_uid" "$owner_gid" cmake --build "$build_dir" \
		>>"$runtime/log/build" 2>&1 || build_failed
}

build_failed() {
	tail -n 30 "$runtime/log/build" >&2
	fail "the build failed: all of it is in $runtime/log/build"
}

# Only what changed: a running process is restarted for a new program alone.
install_programs() {
	local name from to
	changed=
	for name in taskgate taskgate-admin taskgate-gateway taskgate-runner \
		task-init seccomp.json; do
		from=$source_dir/build/release/bin/$name
		[ "$name" != seccomp.json ] || from=$source_dir/runner/$name
		to=$runtime/bin/$name
		cmp -s "$from" "$to" && continue
		# Beside and over: a program that runs cannot be written to.
		install -m 0755 "$from" "$to.new" && mv "$to.new" "$to" || exit
		changed=yes
	done
}

# -- the engine

# An engine that was there may be used when it is on this machine, not
# somebody's rootless one, and its socket has a group that the runner can be
# given without making it root's.
engine_is_usable() { # SOCKET
	local information root
	[ -S "$1" ] && [ "$(stat -L -c %g "$1")" -ne 0 ] &&
		path_can_be_passed "$(readlink -f "$1")" &&
		[ $((0$(stat -L -c %a "$1") & 0060)) -eq $((0060)) ] &&
		engine_answers "$1" || return 1
	information=$(engine_api "$1" GET /info) || return 1
	case $information in
	*'"name=rootless'*) return 1 ;;
	esac
	root=${information#*\"DockerRootDir\":\"}
	[ -d "${root%%\"*}/image" ]
}

path_can_be_passed() { # PATH
	local folder=$1
	while [ "$folder" != / ]; do
		folder=$(dirname "$folder")
		[ $((0$(stat -c %a "$folder") & 0001)) -ne 0 ] || return 1
	done
}

choose_engine() {
	local candidate=${DOCKER_HOST-}
	own_socket=$run/engine/docker.sock
	if [ ! -d "$runtime/engine" ]; then
		for candidate in "${candidate#unix://}" /run/docker.sock; do
			engine_is_usable "$candidate" || continue
			socket=$(readlink -f "$candidate")
			engine_step "the one at $socket"
			return
		done
	fi
	socket=$own_socket
	# The engine outlives this script and must not keep its lock.
	engine_start "$runtime/engine" "$run/engine" "$engine_gid" 9<&- ||
		fail 'no Docker Engine could be started'
	engine_step "our own at $socket"
}

engine_step() { # WHICH
	engine_import "$socket" "$image" ||
		fail "$image could not be imported into the engine at $socket"
	step engine "$1, with the image $image"
}

# -- keys, policy, people

make_keys() {
	admin init --dir "$runtime/etc" \
		--gateway-uid "$gateway_uid" --runner-uid "$runner_uid" \
		--task-uid "$task_uid" --task-gid "$task_uid" \
		--listen "127.0.0.1:$port" \
		--operations "127.0.0.1:$operations_port" \
		--state "$runtime/state" --run "$run/sockets" \
		--engine "unix://$socket" \
		--task-init "$runtime/bin/task-init" \
		--seccomp "$runtime/bin/seccomp.json" \
		>"$runtime/log/init" 2>&1 || {
		cat "$runtime/log/init" >&2
		fail 'taskgate-admin init failed'
	}
	use_engine
	write_policy
	step keys "CA, server, tokens, audit in $demo/etc"
}

# Another engine may answer than the last time.
use_engine() {
	local file=$runtime/etc/runner.json
	grep -qF "\"engine\": \"unix://$socket\"" "$file" && return
	sed -i "s|\"engine\": \"[^\"]*\"|\"engine\": \"unix://$socket\"|" \
		"$file" || exit
	changed=yes
}

# Once: then it is the user's to edit.
write_policy() {
	[ -e "$runtime/etc/.policy-written" ] && return
	cp "$source_dir/policy/examples/demo.json" \
		"$runtime/etc/policy.json" || exit
	: >"$runtime/etc/.policy-written"
}

# A person's folder is written by root, then given away whole.
enroll() { # NAME OPTION...
	local name=$1 folder=$runtime/people/$1
	shift
	if [ -e "$folder/context.json" ]; then
		renew_token "$name" "$@"
		return
	fi
	admin enroll "$name" --dir "$runtime/etc" --out "$folder.new" \
		--server "https://127.0.0.1:$port" "$@" \
		>"$runtime/log/enroll" 2>&1 || {
		cat "$runtime/log/enroll" >&2
		fail "$name could not be enrolled"
	}
	chown -R "$user_uid:$user_gid" "$folder.new" &&
		mv -T "$folder.new" "$folder" || exit
}

# One that would end before long, under the eyes of who tries things.
renew_token() { # NAME OPTION...
	local name=$1 folder=$runtime/people/$1
	shift
	[ -n "$(find "$folder/token" -mmin +720)" ] || return 0
	# Made where only root can write, then handed over.
	rm -f "$runtime/token.new"
	admin token issue "$name" --dir "$runtime/etc" \
		--cert "$folder/client.crt" --out "$runtime/token.new" "$@" \
		>/dev/null || fail "$name got no new token"
	chown "$user_uid:$user_gid" "$runtime/token.new" &&
		mv "$runtime/token.new" "$folder/token" || exit
}

enroll_people() {
	enroll alice --ttl 24h
	enroll bob --ttl 24h
	step people 'alice may run anything in busybox, bob may only say hello'
}

write_environment() {
	cat >"$demo/env.new" <<-EOF && mv "$demo/env.new" "$demo/env" || exit
		# To be sourced: the demo's programs, and who you are.
		PATH=$(printf %q "$runtime/bin"):\$PATH
		TASKGATE_CONTEXT=$(printf %q "$runtime/people/alice")
		TASKGATE_DIR=$(printf %q "$runtime/etc")
		export PATH TASKGATE_CONTEXT TASKGATE_DIR
	EOF
}

# -- the two processes

process_lives() { # NAME
	local pid
	pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
	[ "$(readlink "/proc/$pid/exe")" = "$runtime/bin/taskgate-$1" ]
}

process_start() { # NAME UID GROUPS
	process_lives "$1" && return
	setsid setpriv --reuid="$2" --regid="$2" --groups="$3" \
		--inh-caps=-all --bounding-set=-all -- \
		"$runtime/bin/taskgate-$1" --config "$runtime/etc/$1.json" \
		>>"$runtime/log/$1" 2>&1 </dev/null 9>&- &
	printf '%s\n' "$!" >"$run/$1.pid"
	await_program "$1" "$!"
}

# Until the process is the program, no longer the tools that prepared it; or
# is gone, which wait_ready() then reports.
await_program() { # NAME PID
	local try
	for try in {1..200}; do
		process_lives "$1" && return
		[ -e "/proc/$2/exe" ] || return
		sleep 0.02
	done
}

process_stop() { # NAME [SIGNAL]
	local pid program engine_end_signal=${2:-TERM}
	pid=$(cat "$run/$1.pid" 2>/dev/null) || return 0
	program=$(readlink "/proc/$pid/exe")
	# After an update the program's file is another.
	[ "${program% (deleted)}" = "$runtime/bin/taskgate-$1" ] &&
		engine_end 30 "$pid"
	rm -f "$run/$1.pid"
}

start_processes() {
	local engine_group
	engine_group=$(stat -L -c %g "$socket")
	if [ -n "$changed" ] || policy_is_newer; then
		process_stop gateway
		process_stop runner
	fi
	process_start runner "$runner_uid" "$engine_group,$gateway_uid"
	process_start gateway "$gateway_uid" "$gateway_uid"
	wait_ready
	step running "gateway at https://127.0.0.1:$port as uid $gateway_uid,"
	step '' "runner as uid $runner_uid, tasks as uid $task_uid"
}

policy_is_newer() {
	[ "$runtime/etc/policy.json" -nt "$run/runner.pid" ]
}

wait_ready() {
	local deadline=$((SECONDS + 60)) answer name
	while [ "$SECONDS" -lt "$deadline" ]; do
		for name in runner gateway; do
			process_lives "$name" || {
				tail -n 20 "$runtime/log/$name" >&2
				fail "the $name did not start"
			}
		done
		answer=$(curl --silent --max-time 5 \
			"http://127.0.0.1:$operations_port/readyz") &&
			curl --silent --fail --max-time 5 --output /dev/null \
				"http://127.0.0.1:$operations_port/readyz" &&
			return
		sleep 0.1
	done
	fail "not ready after a minute: $answer"
}

# -- the show

# The words as a person would type them.
quote() { # WORD...
	local word
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=@%+,-]* | '') printf ' %s' "${word@Q}" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
}

show() { # NAME COMMAND...
	local name=$1 shown
	shift
	shown=$(quote "$@")
	[ "$name" = alice ] || shown=" TASKGATE_CONTEXT=demo/people/$name$shown"
	printf '%s$%s%s\n' "$bold" "$shown" "$plain"
	(PATH=$runtime/bin:$PATH as_person "$name" "$@") 2>&1 |
		sed "s/^/  /"
	printf '  %s(exit code %s)%s\n' "$dim" "${PIPESTATUS[0]}" "$plain"
}

demonstrate() {
	heading '1. A task that runs'
	# shellcheck disable=SC2016 # for the shell in the container
	show alice taskgate run "$image" -- \
		sh -c 'echo hello from $(id -u) on $(uname -s)'
	heading '2. A task that the policy denies, with its reason'
	show bob taskgate run "$image" -- cat /etc/passwd
	heading '3. The records of both'
	printf '%s$ sudo taskgate-admin audit tail%s\n' "$bold" "$plain"
	admin audit tail --dir "$runtime/etc" --limit 5 | sed 's/^/  /'
}

next_commands() {
	heading 'All of it is running. Next:'
	cat <<-'EOF'
		  . demo/env
		  taskgate run demo/busybox -- echo hello
		  taskgate run demo/busybox -- sh -c 'echo out; echo err >&2; exit 7'
		  taskgate ps
		  taskgate catalog
		  taskgate --help
	EOF
	printf '  curl http://127.0.0.1:%s/metrics\n' "$operations_port"
	printf '  sudo %s/taskgate-admin audit tail --dir %s\n' \
		"$(short "$runtime/bin")" "$(short "$runtime/etc")"
	printf '  sudo ./quickstart.sh down      %s# stops and removes all of it%s\n' \
		"$dim" "$plain"
}

short() { # PATH
	printf '%s' "${1/#"$runtime"/demo}"
}

up() {
	printf '%staskgate%s in %s\n\n' "$bold" "$plain" "$source_dir"
	packages_install "${packages_build[@]}" "${packages_run[@]}" ||
		fail 'packages could not be installed'
	step packages 'all there'
	make_folders
	build
	install_programs
	step programs "built and installed in $runtime/bin"
	choose_engine
	make_keys
	enroll_people
	write_environment
	start_processes
	demonstrate
	next_commands
}

# -- and away again

# In an engine that was there before, what is left of our tasks.
remove_containers() {
	local id label socket
	socket=$(sed -n 's|.*"engine": "unix://\([^"]*\)".*|\1|p' \
		"$runtime/etc/runner.json" 2>/dev/null)
	label=$(sed -n 's|.*"id": "\([^"]*\)".*|\1|p' \
		"$runtime/etc/runner.json" 2>/dev/null)
	[ -n "$label" ] && engine_answers "$socket" || return 0
	engine_api "$socket" GET /containers/json --url-query all=true \
		--url-query "filters={\"label\":[\"$runner_label=$label\"]}" |
		grep -o '"Id":"[0-9a-f]\{64\}"' | cut -d'"' -f4 |
		while IFS= read -r id; do
			engine_api "$socket" DELETE "/containers/$id" \
				--url-query force=true --url-query v=true
		done
}

down() {
	read_settings || {
		printf 'Nothing of %s is there.\n' "$source_dir"
		return
	}
	process_stop gateway
	printf 'Stopping; what still runs has up to 30 s to end.\n'
	# What runs ends with it.
	process_stop runner INT
	remove_containers
	[ -d "$runtime/engine" ] && engine_stop "$runtime/engine" "$run/engine"
	engine_unmount "$runtime" "$run"
	rm -rf --one-file-system "$run" "$demo" "$runtime"
	printf 'Stopped and removed. build/ and the packages stay.\n'
}

runner_label=taskgate.runner

[ "$(id -u)" -eq 0 ] || fail 'must be run as root: sudo ./quickstart.sh'
exec 9<"${BASH_SOURCE[0]}"
flock -n 9 || fail 'another quickstart.sh is at work in this folder'
case "${1-up} $#" in
'up '[01]) up ;;
'down 1') down ;;
*)
	printf 'usage: sudo ./quickstart.sh [up | down]\n' >&2
	exit 2
	;;
esac

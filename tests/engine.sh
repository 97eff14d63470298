#!/bin/bash
#
# A Docker Engine of one's own: for the test suite, for single tests that let
# an engine die, and for quickstart.sh where no other can be used.
#
# Everything of it lies in two folders: STATE (images, containers, log) and RUN
# (socket, process ids; a short path, because a socket's path has 107 bytes).
# It has no network, changes no firewall rule and shares nothing with any other
# engine of the machine. Ends only processes that hold RUN in their own
# command line, each by its id.
#
#	engine.sh start STATE RUN GID	its socket is RUN/docker.sock
#	engine.sh stop STATE RUN	orderly; also what a killed one left
#	engine.sh kill RUN		as a crash would: nothing is tidied
#	engine.sh import SOCKET IMAGE [PROGRAM...]
#					an image of busybox-static, and of
#					static programs besides
#
# Sourced, it gives the functions engine_* and does nothing.

engine_api() { # SOCKET METHOD PATH [CURL OPTION...]
	local socket=$1 method=$2 path=$3
	shift 3
	curl --silent --show-error --fail --max-time 120 \
		--unix-socket "$socket" --request "$method" "$@" \
		"http://engine$path"
}

engine_answers() { # SOCKET
	[ -S "$1" ] &&
		curl --silent --fail --max-time 5 --output /dev/null \
			--unix-socket "$1" http://engine/_ping
}

# Prints the ids of the processes whose program is NAME and whose command line
# holds the path RUN.
engine_processes() { # NAME RUN
	local entry arguments
	for entry in /proc/[0-9]*; do
		arguments=$(tr '\0' '\n' 2>/dev/null <"$entry/cmdline") ||
			continue
		case ${arguments%%$'\n'*} in
		"$1" | */"$1") ;;
		*) continue ;;
		esac
		case $arguments in
		*"$2/"*) printf '%s\n' "${entry#/proc/}" ;;
		esac
	done
}

# Waits until none of the processes lives; fails after SECONDS.
engine_wait_gone() { # SECONDS PID...
	local deadline=$((SECONDS + $1)) pid
	shift
	for pid; do
		# A zombie is gone: its parent just has not looked yet.
		while [ -d "/proc/$pid" ] &&
			! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"; do
			[ "$SECONDS" -lt "$deadline" ] || return 1
			sleep 0.05
		done
	done
}

# TERM, and KILL for what has not ended after SECONDS.
engine_end() { # SECONDS PID...
	local seconds=$1
	shift
	[ $# -gt 0 ] || return 0
	kill "-${engine_end_signal:-TERM}" "$@" 2>/dev/null
	engine_wait_gone "$seconds" "$@" && return 0
	kill -KILL "$@" 2>/dev/null
	engine_wait_gone 10 "$@"
}

# The processes of a shim's containers are its children; each is PID 1 of its
# own namespace, so that its end is the end of all in it.
engine_end_shims() { # RUN
	local shim children
	for shim in $(engine_processes containerd-shim-runc-v2 "$1"); do
		read -ra children -d '' \
			< <(cat "/proc/$shim/task/"*/children 2>/dev/null)
		[ ${#children[@]} -gt 0 ] &&
			kill -KILL "${children[@]}" 2>/dev/null
		engine_end 5 "$shim"
	done
}

engine_unmount() { # FOLDER...
	local folder mount
	for folder; do
		# Innermost first: mountinfo lists parents before children.
		awk -v folder="$folder/" 'index($5 "/", folder) == 1 { print $5 }' \
			/proc/self/mountinfo | tac |
			while IFS= read -r mount; do
				umount -l "$(printf '%b' "$mount")"
			done
	done
}

engine_launch() { # STATE RUN
	local log=$1/log
	# No bridge and no rules: tasks have no network, and another engine's
	# firewall is not ours to touch.
	(
		cd / || exit
		exec setsid dockerd \
			--host "unix://$2/docker.sock" \
			--data-root "$1/data" --exec-root "$2/exec" \
			--pidfile "$2/pid" --config-file "$1/daemon.json" \
			--bridge none --iptables=false --ip-forward=false \
			--ip-masq=false >>"$log" 2>&1 </dev/null
	) &
	engine_pid=$!
	disown "$engine_pid" 2>/dev/null
}

engine_start() { # STATE RUN GID
	local state=$1 run=$2 gid=$3 attempt deadline
	engine_answers "$run/docker.sock" && return 0
	mkdir -p "$state/data" "$run/exec" || return
	# Only root and the group look inside; dockerd itself sets its own
	# folders' modes.
	chmod 0755 "$run" || return
	printf '{}\n' >"$state/daemon.json" || return
	for attempt in 1 2 3 4; do
		engine_clear "$run"
		: >"$state/log"
		engine_launch "$state" "$run"
		deadline=$((SECONDS + 60))
		while [ "$SECONDS" -lt "$deadline" ]; do
			if engine_answers "$run/docker.sock"; then
				chown "root:$gid" "$run/docker.sock" &&
					chmod 0660 "$run/docker.sock"
				return
			fi
			engine_wait_gone 0 "$engine_pid" && break
			sleep 0.1
		done
		# Seen on 20.10 after a crash: the first start gives up waiting
		# for containerd, the second succeeds.
		if ! grep -q 'timeout waiting for containerd' "$state/log"; then
			break
		fi
		engine_stop "$state" "$run"
		printf 'engine: attempt %s had no containerd in time\n' \
			"$attempt" >&2
	done
	printf 'engine: dockerd does not answer; the end of %s:\n' \
		"$state/log" >&2
	tail -n 20 "$state/log" >&2
	engine_stop "$state" "$run"
	return 1
}

# What a killed engine left would keep a new one from starting.
engine_clear() { # RUN
	local pids
	mapfile -t pids < <(engine_processes containerd "$1")
	engine_end 10 "${pids[@]}"
	rm -f "$1/pid" "$1/docker.sock" "$1/exec/containerd/containerd.pid"
}

engine_stop() { # STATE RUN
	local pids
	mapfile -t pids < <(engine_processes dockerd "$2")
	engine_end 30 "${pids[@]}"
	mapfile -t pids < <(engine_processes containerd "$2")
	engine_end 10 "${pids[@]}"
	engine_end_shims "$2"
	engine_unmount "$1" "$2"
	rm -f "$2/pid" "$2/docker.sock"
}

engine_kill() { # RUN
	local pids
	mapfile -t pids < <(engine_processes dockerd "$1")
	[ ${#pids[@]} -gt 0 ] && kill -KILL "${pids[@]}" &&
		engine_wait_gone 10 "${pids[@]}"
}

# The same busybox gives the same bytes, hence the same layer, anywhere.
engine_busybox_tree() { # FOLDER
	local applet
	mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp,usr} || return
	chmod 1777 "$1/tmp" || return
	cp /bin/busybox "$1/bin/busybox" || return
	chmod 0755 "$1/bin/busybox" || return
	for applet in $("$1/bin/busybox" --list); do
		[ "$applet" = busybox ] ||
			ln -s busybox "$1/bin/$applet" || return
	done
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\n' >"$1/etc/group"
}

engine_import() ( # SOCKET IMAGE [PROGRAM...]; a subshell for its trap
	work=$(mktemp -d) || exit
	trap 'rm -rf "$work"' EXIT
	umask 022
	# One after the other: two at once would each make an image of its own.
	exec {lock}<"${1%/*}" && flock "$lock" || exit
	engine_busybox_tree "$work/tree" || exit
	[ $# -le 2 ] || install -m 0755 "${@:3}" "$work/tree/bin/" || exit
	tar --create --file "$work/layer.tar" --directory "$work/tree" \
		--sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@0 --format=ustar . || exit
	layer=$(sha256sum "$work/layer.tar") || exit
	layer=sha256:${layer%% *}
	# An import has a time of its own in it, so that the same layer again
	# would be another image: one that is there already stays.
	engine_has_layer "$1" "$2" "$layer" && exit 0
	engine_api "$1" POST /images/create --output "$work/answer" \
		--url-query 'fromSrc=-' --url-query "repo=${2%:*}" \
		--url-query 'tag=latest' \
		--url-query 'changes=ENV PATH=/bin' \
		--url-query 'changes=CMD ["/bin/sh"]' \
		--header 'Content-Type: application/x-tar' \
		--upload-file "$work/layer.tar" || exit
	# A failure in the middle comes with status 200.
	engine_has_layer "$1" "$2" "$layer" || {
		cat "$work/answer" >&2
		exit 1
	}
)

engine_has_layer() { # SOCKET IMAGE SHA256
	engine_api "$1" GET "/images/$2/json" 2>/dev/null |
		grep -q "\"Layers\":\[\"$3\"\]"
}

engine_main() {
	local usage='usage: engine.sh start STATE RUN GID | stop STATE RUN |
	kill RUN | import SOCKET IMAGE [PROGRAM...]'
	case "${1-} $#" in
	'start 4') engine_start "$2" "$3" "$4" ;;
	'stop 3') engine_stop "$2" "$3" ;;
	'kill 2') engine_kill "$2" ;;
	'import '[3-9]) engine_import "${@:2}" ;;
	*)
		printf '%s\n' "$usage" >&2
		return 2
		;;
	esac
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	engine_main "$@"
fi

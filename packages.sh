# shellcheck shell=bash disable=SC2034
# The Debian packages that the project needs, sourced by quickstart.sh and
# test.sh. One list, so that a fresh machine gets what the code needs whatever
# it is started by.

packages_build=(
	gcc libc6-dev cmake ninja-build pkg-config
	libssl-dev libmicrohttpd-dev libjwt-dev libjansson-dev libuv1-dev
	libcurl4-openssl-dev libseccomp-dev libsqlite3-dev libjemalloc-dev
)
# busybox-static is the demo's and the tests' image; curl speaks to engines.
packages_run=(docker.io busybox-static curl ca-certificates)
# systemd: systemd-analyze, which measures our units; tidy judges our pages.
packages_test=(libcmocka-dev openssl python3 systemd tidy)
# The asan preset is built by clang.
packages_asan=(clang libclang-rt-14-dev)

# Installs those of the given packages that are missing.
packages_install() { # PACKAGE...
	local name missing=()
	for name; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" \
			2>/dev/null) in
		ii*) ;;
		*) missing+=("$name") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	printf 'installing %s\n' "${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update --quiet=2 &&
		apt-get install --quiet=2 --yes --no-install-recommends \
			"${missing[@]}" >/dev/null
}

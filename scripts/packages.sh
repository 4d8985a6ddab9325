# Sourced by the other scripts: need command:package … installs the Debian
# packages of commands that are missing, or says how.
need() {
	local pair missing=()
	for pair in "$@"; do
		case ${pair%%:*} in
		# The browser may be elsewhere, Debian keeps initdb off PATH, and only root's tests drop root's rights.
		chromium) [ -z "${CHROMIUM:-}" ] || continue ;;
		initdb) ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || continue ;;
		capsh) [ "$(id -u)" -eq 0 ] || continue ;;
		esac
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "Missing packages. Run: sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

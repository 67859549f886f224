# Sourced by the set-up scripts: installs Debian packages, and starts no service by doing so.

# missing LINE: say in one plain line what is missing, and stop.
missing() {
    echo "fenghuo: $1" >&2
    exit 1
}

# apt_install PACKAGE...: as root or through sudo, else one line that names the command.
apt_install() {
    local as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null && as_root="sudo -n"
        [ -n "$as_root" ] || missing "missing $* and no right to install them; as root: apt-get install $*"
    fi
    command -v apt-get >/dev/null || missing "missing $*; this is not Debian, please install them by your own package manager"
    echo "installing $*" >&2
    local log
    log=$(mktemp)
    # A package's own start-up script asks policy-rc.d; 101 means: leave the service stopped. Somebody's own policy stays.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
        trap "$as_root rm -f $policy" EXIT
    fi
    local step
    for step in "update -qq" "install -y -qq --no-install-recommends $*"; do
        # shellcheck disable=SC2086
        $as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 $step >"$log" 2>&1 || {
            tail -n 5 "$log" >&2
            missing "apt-get ${step%% *} failed for: $*"
        }
    done
    rm -f "$log"
}

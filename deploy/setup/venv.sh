#!/usr/bin/env bash
# Makes .venv with the locked packages and this checkout in it: `venv.sh core` to run Fenghuo, `venv.sh dev` to develop it.
# Does nothing when the lock file that is installed is the one that lies here. PYTHON= chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/setup/apt.sh
source deploy/setup/apt.sh

case "${1:-}" in
    core) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) missing "venv.sh wants core or dev" ;;
esac

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

if [ ! -x .venv/bin/python ] || ! suits .venv/bin/python; then
    if ! python=$(find_python); then
        [ -z "${PYTHON:-}" ] || missing "PYTHON=$PYTHON is not Python 3.11 to 3.13"
        apt_install python3 python3-venv
        python=$(find_python) || missing "no Python 3.11 to 3.13 found; install one and name it: make PYTHON=python3.12 ..."
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps ensurepip in a package of its own, named by the minor version.
        apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    rm -rf .venv
    "$python" -m venv .venv || missing "$python could not make .venv"
fi

# What is installed is known by its lock, by what pyproject.toml says of the project, and by where this checkout lies.
fingerprint() { { cat "$1"; sed '/^\[tool/,$d' pyproject.toml; pwd; } | sha256sum | cut -d' ' -f1; }
installed() { [ -f "$1" ] && [ "$(cat "$1")" = "$(fingerprint "$2")" ]; }

installed .venv/installed-dev requirements-dev.lock && exit 0            # holds everything that core needs
[ "$1" = core ] && installed .venv/installed-core requirements.lock && exit 0

echo "installing $(grep -c == "$lock") locked packages into .venv" >&2
log=.venv/install.log
pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet)
"${pip[@]}" --require-hashes --only-binary :all: -r "$lock" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    missing "pip could not install $lock (see .venv/install.log); is a package index reachable?"
}
"${pip[@]}" --no-deps --no-build-isolation --editable . >>"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    missing "pip could not install this checkout (see .venv/install.log)"
}
rm -f .venv/installed-core .venv/installed-dev
fingerprint "$lock" >.venv/installed-"$1"

#!/usr/bin/env bash
# Makes the lock files again: hashes for every platform, and no host name, so that any mirror of the package index will do.
# The widest set is resolved first and binds the others: one version of a thing in all three files.
set -euo pipefail
cd "$(dirname "$0")/../.."

compile() {
    .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@"
}

compile --upgrade --group build --group dev --all-extras -o requirements-dev.lock
compile --group build --extra kafka -c requirements-dev.lock -o requirements-kafka.lock
compile --group build -c requirements-dev.lock -o requirements.lock
echo "locked: $(grep -c == requirements.lock) packages to run, $(grep -c == requirements-kafka.lock) with Kafka, $(grep -c == requirements-dev.lock) to develop"

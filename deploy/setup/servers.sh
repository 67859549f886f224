#!/usr/bin/env bash
# Installs the servers that the tests talk to (Mosquitto, PostgreSQL, Prometheus, Chromium, Java with the jars of Kafka, Node
# with a message centre for SMS) where they are missing. Nothing is started here: tests/servers/ starts its own, on loopback, in folders of its own.
# `servers.sh demo` installs what `make demo-kafka` runs on, and goes on without Kafka where Java or a Maven repository is out of reach.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/setup/apt.sh
source deploy/setup/apt.sh

# Debian keeps some servers outside a plain user's PATH.
PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin"

postgres_here() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
java_here() {
    command -v java >/dev/null || return 1
    local major
    major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ]
}

# fetch_jars: Kafka's, where they are not here or not those that this release names.
fetch_jars() {
    local kafka
    kafka=.cache/kafka-$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' deploy/kafka/pom.xml)
    (cd "$kafka/libs" 2>/dev/null && sha256sum --quiet --status --check ../../../deploy/kafka/jars.sha256) && return
    echo "fetching the jars of Kafka into $kafka" >&2
    rm -rf "$kafka/libs"
    mkdir -p "$kafka"
    mvn --batch-mode --quiet --file deploy/kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PWD/$kafka/libs" >"$kafka/maven.log" 2>&1 || {
        tail -n 5 "$kafka/maven.log" >&2
        rm -rf "$kafka/libs"
        missing "Maven could not fetch the jars of Kafka (see $kafka/maven.log); is a Maven repository reachable?"
    }
    (cd "$kafka/libs" && sha256sum --quiet --check ../../../deploy/kafka/jars.sha256) || {
        rm -rf "$kafka/libs"
        missing "the jars fetched for Kafka are not those of deploy/kafka/jars.sha256"
    }
}

packages=()
command -v mosquitto >/dev/null || packages+=(mosquitto)
postgres_here || packages+=(postgresql)
java=()
java_here || java+=(default-jre-headless)
command -v mvn >/dev/null || java+=(maven)

if [ "${1:-}" = demo ]; then
    [ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
    # In a shell of its own: what is missing here ends that shell, and the demo says what it runs on.
    (
        [ ${#java[@]} -eq 0 ] || apt_install "${java[@]}"
        java_here || missing "the Java found is older than 17, which Kafka 4 asks for"
        fetch_jars
    ) || echo "fenghuo: so this demo runs without Apache Kafka" >&2
    exit 0
fi

packages+=("${java[@]}")
command -v prometheus >/dev/null || packages+=(prometheus)
command -v chromium >/dev/null || packages+=(chromium)
ldconfig -p | grep -q libatomic.so.1 || packages+=(libatomic1)          # Playwright's own driver is linked to it
[ -e /usr/share/fonts/truetype/wqy/wqy-microhei.ttc ] || packages+=(fonts-wqy-microhei)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
[ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
java_here || missing "the Java found is older than 17, which Kafka 4 asks for; install openjdk-17-jre-headless or newer"
fetch_jars

simulator=tests/alerting/channels/simulator
centre=.cache/smpp-simulator
if ! cmp --quiet "$simulator/package-lock.json" "$centre/package-lock.json" || [ ! -d "$centre/node_modules/smpp" ]; then
    echo "fetching a message centre for SMS into $centre" >&2
    mkdir -p "$centre"
    cp "$simulator/package.json" "$simulator/package-lock.json" "$centre/"
    (cd "$centre" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
        rm -f "$centre/package-lock.json"
        tail -n 5 "$centre/npm.log" >&2
        missing "npm could not fetch the message centre (see $centre/npm.log); is an npm registry reachable?"
    }
fi

#!/bin/sh
# install.sh BIN: the clients and tools of Debian, of npm and of the Go module
# proxy, the latter two into the directory BIN. What cannot be had is left out,
# and the table says so.
set -u
clients="$(cd "$(dirname "$0")/clients" && pwd)"
mkdir -p "$1"
bin="$(cd "$1" && pwd)"
sudo=; test "$(id -u)" = 0 || sudo=sudo

need=
wants() { # PACKAGE [PROGRAM]: the program may be another's
	test -n "${2-}" && command -v "$2" >/dev/null && return
	dpkg-query -Wf '${Status}' "$1" 2>/dev/null | grep -q ' installed$' || need="$need $1"
}
for package in python3-websockets python3-aiohttp python3-tornado python3-websocket \
	python3-autobahn python3-twisted python3-openssl python3-service-identity python3-ws4py python3-pyqt5.qtwebsockets \
	python3-gi gir1.2-soup-3.0 glib-networking libmojolicious-perl libio-socket-ssl-perl libanyevent-websocket-client-perl \
	ruby-faye-websocket ruby-websocket-driver libboost-dev libwebsocketpp-dev \
	zlib1g-dev libssl-dev libwebsockets-dev chromium firefox-esr tsung; do
	wants "$package"
done
wants g++ g++
wants nodejs node
wants npm npm
wants default-jdk-headless java
if test -n "$need"; then
	$sudo apt-get update -q
	# shellcheck disable=SC2086 # several words
	$sudo apt-get install -qy --no-install-recommends $need ||
		for package in $need; do
			$sudo apt-get install -qy --no-install-recommends "$package"
		done
fi

npm_install() { # DIRECTORY OF-PACKAGE.JSON
	mkdir -p "$bin/$1"
	cp "$clients/$2/package.json" "$bin/$1/"
	npm install --prefix "$bin/$1" --no-package-lock --no-audit --no-fund --ignore-scripts
}
npm_install node node
npm_install artillery tools

GOBIN="$bin" go install go.k6.io/k6@v1.8.1
(cd "$clients/go" && go build -o "$bin/goclient" .)

native() { # NAME LIBRARIES: none of before, if it can't be built
	name="$1"
	shift
	rm -f "$bin/$name"
	g++ -std=c++17 -O1 -Wall -o "$bin/$name" "$clients/native/$name.cpp" "$@"
}
native beast -pthread -lssl -lcrypto
native websocketpp -pthread -lz -lssl -lcrypto
native libwebsockets -lwebsockets
exit 0

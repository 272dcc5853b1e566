#!/bin/sh
# k6.sh K6 HOST PORT USERS MESSAGES DIRECTORY
set -eu
K6_NO_USAGE_REPORT=true exec "$1" run --quiet --address 127.0.0.1:0 \
	-e HOST="$2" -e PORT="$3" -e USERS="$4" -e MESSAGES="$5" "$(dirname "$0")/k6.js"

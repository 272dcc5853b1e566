#!/bin/sh
# artillery.sh ARTILLERY HOST PORT USERS MESSAGES DIRECTORY
set -eu
cat >"$6/run.yml" <<END
config:
  target: ws://$2:$3/ws
  phases: [{duration: 1, arrivalCount: $4}]
  ensure: {thresholds: [vusers.failed: 1]}
scenarios:
  - engine: ws
    flow:
      - loop: [send: hello]
        count: $5
      - think: 1
END
ARTILLERY_DISABLE_TELEMETRY=true exec "$1" run --quiet "$6/run.yml"

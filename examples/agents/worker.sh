#!/bin/sh
# A worker with curl and jq: claims the runs of one agent, gives each prompt to a program, reports
# its end (docs/workers.md).
#   RECONCILER_SERVER=http://127.0.0.1:8484 RECONCILER_TOKEN=rct_… worker.sh AGENT PROGRAM [ARGUMENT…]
set -u
server=${RECONCILER_SERVER:-http://127.0.0.1:8484}
lease_seconds=${LEASE:-30} # seconds that this worker may be silent
[ $# -ge 2 ] || { echo "usage: worker.sh AGENT PROGRAM [ARGUMENT…]" >&2; exit 64; }
agent=$1
shift
command -v "$1" >/dev/null || { echo "$1: there is no such program" >&2; exit 1; }

post() { # post PATH BODY: the token goes by stdin, since arguments can be seen
  printf '%s' "${RECONCILER_TOKEN:+header = \"Authorization: Bearer $RECONCILER_TOKEN\"}" |
    curl --silent --show-error --fail --max-time 20 --config - \
      --header 'Content-Type: application/json' --data-binary "$2" "$server/v1/runs/$1"
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
while :; do
  order=$(jq -n --arg agent "$agent" --argjson lease "$lease_seconds" \
    '{agents: [$agent], max: 1, leaseSeconds: $lease}')
  item=$(post claim "$order" | jq -c '.items[0] // empty')
  [ -n "$item" ] || { sleep 1; continue; }
  run=$(printf %s "$item" | jq -r .run.id)
  lease=$(printf %s "$item" | jq -c '{leaseToken}')
  printf %s "$item" | jq -j .prompt >"$folder/prompt"

  "$@" <"$folder/prompt" >"$folder/result" &
  program=$!
  seconds=0
  while kill -0 "$program" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    [ $((seconds % (lease_seconds / 3))) = 0 ] || continue
    # A lease that is lost, and a run that was cancelled, end the program.
    [ "$(post "$run/heartbeat" "$lease" | jq -r .cancel)" = false ] || kill "$program"
  done
  wait "$program" && status=completed || status=failed
  # What the work has cost goes along where it is known: usage: {costUsd: 0.12}
  end=$(printf %s "$lease" | jq --arg status "$status" --rawfile result "$folder/result" \
    '. + {$status, $result}')
  post "$run/complete" "$end" >"$folder/answer" || echo "run $run: its end was not taken" >&2
done

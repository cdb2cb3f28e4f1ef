#!/bin/sh
# An agent for the `command` runtime in plain shell: says what it was asked to do, and by whom.
#
#   reconciler serve … --allow-command report=examples/agents/report.sh
#   runtime: {type: command, program: report, env: {AUTOPILOT_GREETING: "Good morning"}}
#
# The run is one line of JSON on stdin; what a shell needs of it is in the environment.
set -eu

bytes=$(wc -c)
echo "${AUTOPILOT_GREETING:-Hello} from $RUN_AGENT"
echo "run $RUN_ID of $RUN_WORKSPACE/$RUN_AUTOPILOT, attempt $RUN_ATTEMPT"
echo "started by ${RUN_TRIGGER:-hand} ($RUN_SOURCE), due ${RUN_SCHEDULED_FOR:-now}"
echo "must end before $RUN_DEADLINE"
echo "$((bytes)) bytes of JSON on stdin"

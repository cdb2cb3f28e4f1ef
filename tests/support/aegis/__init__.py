"""A stand-in Aegis server that is no kinder than the real one.

Every behaviour below was measured on Aegis v0.6.6-preview.1 with Claude Code 2.1.197 in its tmux
(model API stubbed on loopback), unless marked [source], read in that build, or [later], read in
later versions:

- a new session boots: `/health` says `idle` after about a second, the list up to 4 s later; before
  that a `send` says `delivered: true` and its text stays unsubmitted in the input box;
- each LF of a text submits it, unless it stands within a bracketed paste; a line that begins with
  `-` is a 404 whose code is NOT_FOUND too, with what came before it left in the box; a line over
  16 KB is a 500; `!` first is a shell, `/` first a command [source];
- without `claude` on the host a session is `unknown` for ever and a text reaches bash; in a folder
  that is not trusted it is `permission_prompt`, and a text accepts the dialog and is lost;
- a second `send` after a finished turn waits 30 s and types nothing;
- after Stop the status is `idle` for some seconds, then `working` for ever; `error` is shown while
  Claude retries and a while after a failure; only `hookFailureTimestamps` tells the end of a turn:
  absent, `[]`, or `[moment, …]`; a later turn leaves it as it is;
- `/read` consumes what it returns and overwrites the status;
- sessions of one `workDir` are mapped to the newest transcript, with its `claudeSessionId`;
- a creation is given an idle session of its `workDir`, whoever owns it, and its `prompt` is typed
  into that; a batch is not; a creation with a prompt that cannot be typed is a 500 that leaves a
  session behind;
- 100 calls a minute and key, then 429 without a useful Retry-After;
- `kill -9` of Aegis leaves its agents at work, and the next Aegis knows none of them; SIGTERM kills
  all;
- `/metrics` has the cost only a minute after the turn, and not after DELETE;
- `approve` with nothing pending types `y`;
- a question of Claude's first start (API key, theme) is `waiting_for_input`, and a text answers it;
- a text that Aegis does not see arrive is typed once more, and may stand in one prompt twice;
- the build of the tag has no `hookFailureTimestamps`, the branch it came from has; events tell the
  hooks in both;
- builds with `displayName`, `pending`, `killed`, and without hook fields [later].

`agent.py` is Claude in its tmux and outlives the server, `world.py` what Aegis knows of it.
`process.py` runs it as a process; `local.py` within a test, on virtual time.
"""

"""What fails in the stack, told to an error tracker that speaks Sentry's protocol.

Whatever a service captures goes one way, and each step is a module: `scrubbing` takes out of the
event what nobody may read (by `scrubbing_rules.json`, which the Node twin reads too), `spool` keeps
it on disk before anything is sent, `delivery` sends it in order and removes what was taken. So the
application never waits for a tracker, and neither a tracker that is gone nor a kill of the process
loses an event.
"""

"""Game days: the sandbox is broken for real, watched, diagnosed, and repaired by the commands of a
playbook as they are written.

`faults` break and put right; `terminal` is where the commands are typed, with `docker`, `certbot`
and `openssl` of the sandbox (`docker_command`, `certificates`); `game_day` goes through one
incident and measures. What is broken is noted before it is (`broken`), so that the next call puts
it right if this one is killed.
"""

"""From what trackers and our own processes say to messages that people get within seconds.

A `Signal` is what was heard: from a webhook, the tracker's list, or an event that no tracker took.
It is durable in the `Inbox` before whoever sent it has an answer. The pure `heard` and `due` decide
by what the `Memory` knows of the issue whether somebody is told now, and `wording` makes the event
that the outbox of `notify` delivers. The order of the writes is in `pass_`: outbox, memory, inbox;
a kill between any two repeats a step that changes nothing the second time.
"""

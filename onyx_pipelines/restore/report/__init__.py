"""What people read about a drill: a page and a short summary, and the history they lie in.

`writing.write_report` makes a report; `view` says what is in it, `reporting` how it looks.
"""

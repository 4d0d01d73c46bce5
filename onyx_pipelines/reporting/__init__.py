"""Reports for people: pages from templates, charts, text, and how they get on disk whole.

A report is a view model (pure, in its capability's package) and a template. `tables` and `markdown`
are light; `pages` loads Jinja2, `charts` matplotlib: only who draws a report imports them.
"""

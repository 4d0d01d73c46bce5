"""Reports for people: pages from templates, tables, charts, and how they get on disk whole.

A report is a view model (pure, in its capability's package) and a template. All but `pages`, which
loads Jinja2, is light: only who draws a report imports that.
"""

"""What people read about a drill: HTML, Markdown and charts, and the history they lie in.

`writing.write_report` makes a report; `markdown` alone is cheap to import (no matplotlib).
"""

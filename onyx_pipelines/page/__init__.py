"""Pages for people: escaped markup, one style in light and dark, charts that take its colours."""

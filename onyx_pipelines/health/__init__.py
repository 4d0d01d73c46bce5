"""How is the stack? One sentence: the worst of what all capabilities know of it.

Above them, so that it may ask each; works where neither Dagster nor the API does.
"""

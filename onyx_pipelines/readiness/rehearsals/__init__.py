"""Game days: what was broken in the sandbox on purpose, and how long people and programs took to
detect, diagnose and repair it. Knows no Dagster and no sandbox: what breaks things is there.
"""

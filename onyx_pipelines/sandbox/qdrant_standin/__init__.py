"""The Edge-backed stand-in: enough of a single-node Qdrant server, on Qdrant's own Edge engine.

It is not Qdrant. What it does not do it refuses with 501; docs/qdrant_standin.md says what it may
hide.
"""

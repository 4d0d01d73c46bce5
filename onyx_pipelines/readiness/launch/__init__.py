"""May the stack go live? A checklist that looks for itself where it can (AC9.7.1).

`checklist` says what is asked, `looking` gathers facts, `judging` decides by them alone, and
`reviewing` puts the three together.
"""

"""Tar archives: what writes a volume's and what reads them again, one codec for both.

A member is a ustar block, before it a pax block where ustar cannot say it all (`headers`): raw
bytes names, exact times, holes (`data_map`), extended attributes and access lists (`attributes`).
`block_writer` gathers what the archiver writes; `reading` takes nothing but what that could have
written, in the order in which it did, and so needs no list of what came before. `stream_end` is for
the archives of other programs: it tells a whole one from a cut one as it streams by.

Not Python's `tarfile`, which can neither write sparse members nor hash while it archives, and
which reads more than anybody should believe. Memory is constant everywhere: blocks of 1 MiB, and
one member's header with its map of at most 100,000 segments.
"""

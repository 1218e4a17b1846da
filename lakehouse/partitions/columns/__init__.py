"""A bounded cache of decoded columns of immutable data files on this machine, mapped into memory.

One file of the cache is one column of one data file: its values as Arrow has them in memory, at fixed places,
with a mark (place and checksum) for each row group that is there. A file is named after the SHA-256 of its
data file, so it is right for ever or not there; it is used by all processes of the user, and may be deleted
at any moment. Whatever is wrong with it - absent, torn, altered, another version's, on a full or read-only
disk - means that the pages are decoded again, and is never an error.

The one thing to leave alone is to shorten a file that a process has mapped: the system then ends the process
(SIGBUS), as with any mapped file. The cache itself only ever unlinks.
"""

from lakehouse.partitions.columns.cache import VARIABLE, ColumnCache, column_cache

__all__ = ["VARIABLE", "ColumnCache", "column_cache"]

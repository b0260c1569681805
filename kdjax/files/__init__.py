"""Files that are whole or not there: atomic writes, checksums, locks, full disks, downloads.

Below every room that reads or writes; must not know what a file means.
"""

"""One file a format: what lies on a disk as data in memory, without running anything that a file says."""

"""Every state of a source that was tried, and the files of those in force."""

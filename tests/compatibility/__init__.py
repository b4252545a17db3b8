"""What holds for every supported version of every package; `tests.matrix` runs it in environments of many versions.

A test asks the installed SDK for what it needs, and skips with the reason where the SDK has no such thing.
"""

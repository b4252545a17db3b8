"""A notebook: cells that an IPython shell runs one after the other, in one process."""

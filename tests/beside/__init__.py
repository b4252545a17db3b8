"""Programs that trace with something else beside bttrace; each is run in a Python of its own."""

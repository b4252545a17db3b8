"""The turns' core: properties against an oracle, bad input, and bounds."""

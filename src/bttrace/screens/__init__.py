"""What every span passes before it goes to the sinks: privacy and sampling."""

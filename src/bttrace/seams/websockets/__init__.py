"""Websockets on which a model answers with events."""

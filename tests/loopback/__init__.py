"""Servers on 127.0.0.1 that stand in for Braintrust and for the providers, so that tests run the real SDKs over real HTTP."""

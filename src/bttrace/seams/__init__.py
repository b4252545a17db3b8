"""The few places where the application's libraries are patched."""

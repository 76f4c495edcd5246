"""The command groups of `fidgety`; cli.py mounts them. Each parses, calls one function and prints."""

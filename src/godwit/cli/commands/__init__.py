"""The commands, one module each: ``register`` adds it to the root.

What takes time to import is imported when the command runs, so that the others start quickly.
"""

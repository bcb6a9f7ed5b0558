"""Hypothesis for every machine: no time limit for one example, and the seed is always printed."""

from hypothesis import settings

settings.register_profile("godwit", deadline=None, print_blob=True)
settings.load_profile("godwit")

"""Keepers of the network's records: DNS updates, a command, a webhook.

Each says the same change in its own way. When a step is due, how often it is tried again and what
its failure means is the engine's business. Nothing is imported here: who keeps no DNS records loads
no DNS.
"""

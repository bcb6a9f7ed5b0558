"""The pure core: values and decisions.

Nothing here reads a clock, draws chance, opens a file or a socket, starts a thread or logs. Time
and observations come in as arguments, decisions go out as values. The same core runs under real
hosts, under the simulated hypervisor and under a test.
"""

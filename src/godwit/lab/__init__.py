"""The one-machine lab: real hosts in namespaces, real guests, faults, a client that measures.

Start at ``lab.Lab``: it brings hosts up and down, adds guests, and hands out the rest. What is
measured is in ``meter``, what can be broken in ``faults``, the commands of ``godwit lab`` in
``cli``. The lab knows nothing about migrations, plans or policies: it is the world that Godwit is
tried in, and it must be able to contradict Godwit.
"""

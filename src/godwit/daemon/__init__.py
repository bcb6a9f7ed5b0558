"""Where the parts are put together: settings, the clocks, the controller and the socket it answers.

Nothing is decided here, and nothing is imported from here by the parts themselves.
"""

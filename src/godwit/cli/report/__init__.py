"""The flight recorder's page: one migration as one HTML file that needs nothing else.

Pure: a migration off the wire and the time go in, text comes out. Nothing here reads from a
controller or writes a file; that is done by the command.
"""

from godwit.cli.report.page import SIGNATURE, render_report

__all__ = ["SIGNATURE", "render_report"]

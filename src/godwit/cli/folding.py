"""Long lines on the error stream: folded between words on a terminal, whole anywhere else."""

import shutil
import sys
import textwrap

__all__ = ["fold_for_errors"]


def fold_for_errors(line: str) -> str:
    """Fold a line where a terminal would break it inside a word. For grep, it is left whole."""
    if not sys.stderr.isatty():
        return line
    width = shutil.get_terminal_size().columns
    # Evidence may have lines of its own, of a program's last words.
    return "\n".join(
        textwrap.fill(one, width, subsequent_indent="  ", break_on_hyphens=False)
        for one in line.splitlines()
    )

"""Godwit: moves running virtual machines between KVM/libvirt hosts without their users noticing."""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"

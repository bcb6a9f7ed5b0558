"""Clusters as files: Godwit's own, exact, and the text of Ganeti's htools, as far as it goes.

A file is read whole or refused with what is wrong in it. Nothing here asks a host or decides.
"""

from godwit.formats.anonymise import anonymise
from godwit.formats.cluster_file import SavedCluster, read_json, write_json
from godwit.formats.files import (
    FileFormat,
    anonymised,
    encode,
    format_named,
    read_cluster,
    read_raw,
    read_saved,
)
from godwit.formats.htools_writing import losses
from godwit.formats.overview import overview, placement_in

__all__ = [
    "FileFormat",
    "SavedCluster",
    "anonymise",
    "anonymised",
    "encode",
    "format_named",
    "losses",
    "overview",
    "placement_in",
    "read_cluster",
    "read_json",
    "read_raw",
    "read_saved",
    "write_json",
]

"""What is assumed while nothing was learnt: constants with their sources, and how they age.

Each is the median of a logarithmic normal distribution with the standard deviation beside it.
"Lab" means two hosts on one machine of two cores, QEMU 10.0 under TCG, libvirt 11.3, as in
``docs/model.md``, which also says how each was fitted.
"""

import math
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Estimate
from godwit.core.units import MIB

__all__ = [
    "BACKGROUND_BYTES",
    "BACKGROUND_SPAN_S",
    "BANDWIDTH_BYTES_PER_S",
    "BUFFERED_BYTES",
    "ENDING_S",
    "FIRST_BANDWIDTH_BYTES_PER_S",
    "LINK_SHARE",
    "OUTAGE_EXTRA_S",
    "OVERHEAD_BYTES",
    "OVERHEAD_SPREAD",
    "PAUSE_FIXED_S",
    "PLAIN_WIRE_FRACTION",
    "POSTCOPY_STALL_S",
    "SETUP_S",
    "SET_SHARE",
    "SET_SPAN_S",
    "STOPS_SEEN",
    "STREAM_SPEED",
    "SYNC_S",
    "SYNC_S_PER_BYTE",
    "XBZRLE_AGAIN_WIRE",
    "XBZRLE_CACHE_BYTES",
    "XBZRLE_WINDOW_S",
    "ZERO_PAGE_S",
    "ZERO_WIRE_FRACTION",
    "ZSTD_BYTES_PER_S",
    "ZSTD_WIRE",
    "Known",
    "aged",
    "drift",
    "sync_s",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A positive figure as a forecast uses it: its median and the spread of its logarithm.

    ``value`` has the unit that the owner says. It was seen ``count`` times.
    """

    value: float
    spread_fraction: float
    count: int = 0


#: From the order to the start of the copy: libvirt prepares the destination. Lab: 0.38-0.97 s.
SETUP_S: Final = Known(value=0.46, spread_fraction=0.2)
#: From the running destination to the confirmed end. Lab: 0.21-0.23 s, confirmation a little later.
ENDING_S: Final = Known(value=0.22, spread_fraction=0.15)
#: The pause beyond sending the rest and what sockets hold: device state, libvirt's turn, resuming.
PAUSE_FIXED_S: Final = Known(value=0.042, spread_fraction=0.35)
#: What a client sees beyond the pause: the network learns the new place. Lab: 21-185 ms.
OUTAGE_EXTRA_S: Final = Known(value=0.095, spread_fraction=0.5)
#: The same when it switches to post-copy: the guest waits for pages. Lab: 0.14-0.68 s, five moves.
POSTCOPY_STALL_S: Final = Known(value=0.25, spread_fraction=0.7)
#: Of the stops of slowed vCPUs, how many a client's outage takes in. Lab: 1.4, 2.1 and 2.8.
STOPS_SEEN: Final = 2.0
#: Counted as sent, but still in the buffers of sockets and of the network when the guest stops.
BUFFERED_BYTES: Final = 1.3e6

#: Where the link is declared: the share of it that memory gets. Lab, three shaped links.
LINK_SHARE: Final = Known(value=0.962, spread_fraction=0.02)
#: Where nothing at all is known of a path: a gigabit link, or a tenth or ten times of it.
BANDWIDTH_BYTES_PER_S: Final = Known(value=118e6, spread_fraction=1.0)
#: The first pass writes memory that the destination has yet to allocate. Lab: 260-830 MB/s.
FIRST_BANDWIDTH_BYTES_PER_S: Final = Known(value=330e6, spread_fraction=0.45)
#: The spread of the bandwidth that the hypervisor measures from one sync to the next. Lab: 0.035.
UNREST: Final = 0.035
#: What one page of zeroes costs the sender.
ZERO_PAGE_S: Final = 0.3e-6

#: A sync of the dirty bitmap: of any guest, as in the lab, and for each byte of memory. That is not
#: measured: terabytes are said to take some tenths of a second (KubeVirt, VEP 248).
SYNC_S: Final = 0.002
SYNC_S_PER_BYTE: Final = 0.3 / 2**40

#: Pages that even an idle guest writes again and again, and the window within which it does.
BACKGROUND_BYTES: Final = 0.8 * MIB
BACKGROUND_SPAN_S: Final = 0.03

#: Headers: 4104 bytes on the wire for a page of 4096, and 8 for one of zeroes.
PLAIN_WIRE_FRACTION: Final = 4104 / 4096
ZERO_WIRE_FRACTION: Final = 8.5 / 4096

#: The speed of another stream beside the plain one, by its first word, and wire bytes a page.
STREAM_SPEED: Final = {
    "plain": Known(value=1.0, spread_fraction=0.0),
    "multifd": Known(value=1.0, spread_fraction=0.05),
    "xbzrle": Known(value=1.0, spread_fraction=0.05),
}
ZSTD_WIRE: Final = Known(value=0.85, spread_fraction=0.2)
#: What zstd makes of memory a second, however fast the link. Lab: 370 MB/s on two channels.
ZSTD_BYTES_PER_S: Final = 370e6
#: Of pages that are in the cache. Lab, three guests that change 67 words of a page: 0.17, 0.24 and
#: 0.34 in passes with a filled cache; one that changes more of a page gains less, hence the spread.
XBZRLE_AGAIN_WIRE: Final = Known(value=0.24, spread_fraction=0.6)
#: The cache of QEMU where none is asked for; and the time within which a page that is written again
#: must not have been pushed out of it.
XBZRLE_CACHE_BYTES: Final = 64 * MIB
XBZRLE_WINDOW_S: Final = 5.0

#: Of what the host holds for a VM, this is not the guest's memory: the hypervisor itself.
OVERHEAD_BYTES: Final = 186.0 * MIB
OVERHEAD_SPREAD: Final = 0.3

#: No processor writes over more distinct pages than this while they are logged.
WRITTEN_MOST_BYTES_PER_S: Final = 1.2e9

#: An unknown guest writes over this share of its memory in use, within this window.
SET_SHARE: Final = Known(value=0.15, spread_fraction=1.2)
SET_SPAN_S: Final = Known(value=1.5, spread_fraction=1.5)

_HOUR_S: Final = 3600.0


def sync_s(memory_bytes: float) -> float:
    """How long a sync of the dirty bitmap takes."""
    return SYNC_S + SYNC_S_PER_BYTE * memory_bytes


def drift(age_s: float, per_hour: float, most: float) -> float:
    """How far a figure has wandered since, as the spread of its logarithm: a random walk."""
    return min(most, per_hour * math.sqrt(max(0.0, age_s) / _HOUR_S))


def aged(estimate: Estimate | None, prior: Known, now_s: float, *, per_hour: float = 0.02) -> Known:
    """What is known now: the estimate with the spread of two imagined sights of the prior."""
    if estimate is None or estimate.value <= 0 or estimate.count < 1:
        return prior
    count = min(estimate.count, 30)
    within = (count * estimate.spread_fraction**2 + 2 * min(prior.spread_fraction, 0.25) ** 2) / (
        count + 2
    )
    mean = within / count
    walked = drift(now_s - estimate.updated_at_s, per_hour, 0.5)
    return Known(
        value=estimate.value,
        spread_fraction=(within + mean + walked**2) ** 0.5,
        count=estimate.count,
    )

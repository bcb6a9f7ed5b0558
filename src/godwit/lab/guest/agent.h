/*
 * What the three parts of the guest's workload share: memory.c dirties and checks memory, disk.c
 * writes and checks a sequence on the disk, agent.c answers the network and reports.
 *
 * Counters are only ever raised. A found corruption stays counted until the guest is rebooted, so
 * that a test may look once, at the end, and still see what happened in the middle.
 */
#ifndef GODWIT_AGENT_H
#define GODWIT_AGENT_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

struct memory_state {
	/* Wishes, written by the network thread and taken up by the memory thread within a tick. */
	counter wanted_rate_bytes_per_s;
	counter wanted_set_bytes;
	counter wanted_sweeps;
	counter wanted_plants;
	/* Facts, written by the memory thread. */
	counter set_bytes;
	counter pages_written;
	counter pages_checked;
	counter corruptions;
	counter sweeps;
	counter refused; /* working sets that did not fit in the guest's memory */
};

struct disk_state {
	counter wanted_sweeps;
	counter wanted_plants;
	counter present;
	counter first_sequence; /* the first one of this boot: what came before was read back */
	counter sequence;
	counter records_checked;
	counter corruptions; /* records whose content, place or link to the one before is wrong */
	counter io_errors;
	counter sweeps;
	counter write_ns_max;
};

extern struct memory_state memory;
extern struct disk_state disk;

void *memory_run(void *unused);
void *disk_run(void *unused);

uint64_t now_ns(void);
void sleep_until_ns(uint64_t when_ns);

static inline uint64_t mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ULL;
	value ^= value >> 32;
	return value;
}

#endif

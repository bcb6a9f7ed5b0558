/*
 * A sequence without gaps on the guest's own disk, each record on stable storage before the next.
 *
 * The raw device is a ring of records. A record says its number and carries the checksum of the one
 * before, so that a lost, doubled or reordered write shows. Writes and reads go past the page
 * cache: what is checked is what the disk gives back, also after a migration that copied the disk.
 *
 * At boot the ring is read and verified, and the sequence goes on where it ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "agent.h"

#define RECORD 4096
#define SLOTS_MAX 1024
#define MAGIC 0x676f647769743031ULL
#define INTERVAL_NS 100000000ULL

struct record {
	uint64_t magic;
	uint64_t sequence;
	uint64_t written_ns;
	uint64_t previous_sum;
	uint64_t noise[RECORD / 8 - 5];
	uint64_t sum;
};

struct disk_state disk;

static int device = -1;
static uint64_t slots;
static struct record *writing, *reading;
static uint64_t sums[SLOTS_MAX];  /* of the record that each slot must hold */
static unsigned char known[SLOTS_MAX]; /* 1: sums[] is set; 0: nothing to compare with (yet) */

static uint64_t sum_of(const struct record *record)
{
	const uint64_t *word = (const uint64_t *)record;
	uint64_t sum = 0;

	for (unsigned i = 0; i < RECORD / 8 - 1; i++)
		sum = (sum ^ word[i]) * 0x100000001b3ULL + i;
	return mix(sum);
}

static int read_slot(uint64_t slot)
{
	if (pread(device, reading, RECORD, (off_t)(slot * RECORD)) == RECORD)
		return 1;
	disk.io_errors++;
	return 0;
}

static int reading_is_whole(uint64_t slot)
{
	return reading->magic == MAGIC && reading->sequence % slots == slot &&
	       reading->sum == sum_of(reading);
}

/* Compare one slot with what was written there; a wrong one is counted once. */
static void check_slot(uint64_t slot)
{
	if (!known[slot] || !read_slot(slot))
		return;
	disk.records_checked++;
	if (reading_is_whole(slot) && reading->sum == sums[slot])
		return;
	disk.corruptions++;
	known[slot] = 0;
}

/* Read the whole ring, find where the sequence ended, verify that nothing before it is missing. */
static void resume(void)
{
	static uint64_t sequences[SLOTS_MAX], previous[SLOTS_MAX];
	uint64_t last = 0;

	for (uint64_t slot = 0; slot < slots; slot++) {
		if (!read_slot(slot))
			continue;
		if (reading->magic == 0 && reading->sequence == 0)
			continue; /* never written */
		disk.records_checked++;
		if (!reading_is_whole(slot)) {
			disk.corruptions++;
			continue;
		}
		known[slot] = 1;
		sums[slot] = reading->sum;
		sequences[slot] = reading->sequence;
		previous[slot] = reading->previous_sum;
		if (reading->sequence > last)
			last = reading->sequence;
	}
	for (uint64_t back = 0; back < slots && back < last; back++) {
		uint64_t slot = (last - back) % slots;
		uint64_t before = (last - back - 1) % slots;
		if (!known[slot] || sequences[slot] != last - back)
			disk.corruptions++;
		else if (back + 1 < slots && last - back > 1 && known[before] &&
			 previous[slot] != sums[before])
			disk.corruptions++;
	}
	disk.sequence = last;
	disk.first_sequence = last + 1;
}

static void append(void)
{
	uint64_t sequence = disk.sequence + 1;
	uint64_t slot = sequence % slots;
	uint64_t started_ns = now_ns();

	writing->magic = MAGIC;
	writing->sequence = sequence;
	writing->written_ns = started_ns;
	writing->previous_sum = known[(sequence - 1) % slots] ? sums[(sequence - 1) % slots] : 0;
	/* The rest is noise from open_ring; one word of it in turn is enough to make records differ. */
	writing->noise[sequence % (RECORD / 8 - 5)] += sequence;
	writing->sum = sum_of(writing);
	/* O_DIRECT and O_DSYNC: when this returns, the record is on the disk. */
	if (pwrite(device, writing, RECORD, (off_t)(slot * RECORD)) != RECORD) {
		disk.io_errors++;
		return;
	}
	sums[slot] = writing->sum;
	known[slot] = 1;
	disk.sequence = sequence;
	uint64_t took_ns = now_ns() - started_ns;
	if (took_ns > disk.write_ns_max)
		disk.write_ns_max = took_ns;
}

static void plant(void)
{
	/* Stands for a lost write: an older record is still there, whole in itself. */
	uint64_t slot = (disk.sequence - 1) % slots;

	if (disk.sequence < 2 || !read_slot(slot))
		return;
	reading->sequence -= slots;
	reading->sum = sum_of(reading);
	if (pwrite(device, reading, RECORD, (off_t)(slot * RECORD)) != RECORD)
		disk.io_errors++;
}

static int open_ring(void)
{
	uint64_t size_bytes = 0;

	device = open("/dev/vda", O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (device < 0 || ioctl(device, BLKGETSIZE64, &size_bytes) < 0)
		return 0;
	slots = size_bytes / RECORD < SLOTS_MAX ? size_bytes / RECORD : SLOTS_MAX;
	writing = aligned_alloc(RECORD, RECORD);
	reading = aligned_alloc(RECORD, RECORD);
	if (slots < 2 || writing == NULL || reading == NULL)
		return 0;
	for (uint64_t i = 0; i < RECORD / 8 - 5; i++)
		writing->noise[i] = mix(i + 1);
	return 1;
}

void *disk_run(void *unused)
{
	uint64_t cursor = 0, sweeps_taken = 0, plants_taken = 0;

	(void)unused;
	if (!open_ring())
		return NULL;
	resume();
	disk.present = 1;
	for (uint64_t next_ns = now_ns();; next_ns += INTERVAL_NS) {
		if (now_ns() > next_ns + 10 * INTERVAL_NS)
			next_ns = now_ns(); /* after a pause: no burst to make up for it */
		sleep_until_ns(next_ns);
		append();
		for (; plants_taken < disk.wanted_plants; plants_taken++)
			plant();
		if (sweeps_taken < disk.wanted_sweeps) {
			for (uint64_t slot = 0; slot < slots; slot++)
				check_slot(slot);
			sweeps_taken++;
			disk.sweeps++;
		}
		check_slot(cursor++ % slots);
	}
	return NULL;
}

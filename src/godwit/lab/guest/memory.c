/*
 * A working set that is rewritten at a set rate, and checked against what was written before.
 *
 * Every page carries its index, a generation and their checksum, and one word derived from both in
 * each of its 64 cache lines. The rest of the page is noise that is written once, so that a page
 * does not compress; its sum is kept. The generation that a page must have is kept apart from it:
 * a page that a migration lost or took from an earlier round differs from it.
 *
 * A page is checked each time before it is rewritten, and a second cursor walks over the whole set
 * without end, so that pages that are not being rewritten are verified as well.
 *
 * This thread yields to every other one (SCHED_IDLE): a guest that dirties memory as fast as it can
 * still answers the network.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "agent.h"

#define PAGE 4096ULL
#define WORDS (PAGE / 8)
#define LINES 64
#define TICK_BUSY_NS 10000000ULL
#define TICK_IDLE_NS 200000000ULL
/* When nobody asks: 64 MiB in 40 s for less than a hundredth of a processor. */
#define PAGES_A_S_BACKGROUND 400ULL
#define PAGES_A_TICK_SWEEP 2000

struct memory_state memory;

static uint64_t *pages;
static uint64_t *generations;
static uint64_t *noise_sums;
static uint64_t page_count;

static inline uint64_t line_word(uint64_t seed, uint64_t line)
{
	return (seed + line) * 0x9e3779b97f4a7c15ULL ^ (seed >> 29);
}

static inline uint64_t seed_of(uint64_t index, uint64_t generation)
{
	return mix(index * 0xff51afd7ed558ccdULL + generation);
}

static void write_page(uint64_t index, uint64_t generation)
{
	uint64_t *word = pages + index * WORDS;
	uint64_t seed = seed_of(index, generation);

	word[0] = index;
	word[1] = generation;
	word[2] = mix(seed);
	for (uint64_t line = 0; line < LINES; line++)
		word[line * 8 + 7] = line_word(seed, line);
	generations[index] = generation;
}

static uint64_t noise_sum(uint64_t index)
{
	const uint64_t *word = pages + index * WORDS;
	uint64_t sum = 0;

	for (uint64_t i = 3; i < WORDS; i++)
		if (i % 8 != 7)
			sum += word[i];
	return sum;
}

static int page_is_good(uint64_t index)
{
	const uint64_t *word = pages + index * WORDS;
	uint64_t generation = generations[index];
	uint64_t seed = seed_of(index, generation);
	uint64_t wrong = (word[0] ^ index) | (word[1] ^ generation) | (word[2] ^ mix(seed));

	for (uint64_t line = 0; line < LINES; line++)
		wrong |= word[line * 8 + 7] ^ line_word(seed, line);
	return wrong == 0;
}

static void check_page(uint64_t index, int with_noise)
{
	memory.pages_checked++;
	if (page_is_good(index) && (!with_noise || noise_sum(index) == noise_sums[index]))
		return;
	memory.corruptions++;
	/* Put right, so that one lost page is counted once and not at every pass. */
	write_page(index, generations[index] + 1);
	noise_sums[index] = noise_sum(index);
}

static void *reserve(uint64_t size_bytes)
{
	void *place = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return place == MAP_FAILED ? NULL : place;
}

static void release(void)
{
	if (page_count == 0)
		return;
	munmap(pages, page_count * PAGE);
	munmap(generations, page_count * 8);
	munmap(noise_sums, page_count * 8);
	page_count = 0;
	memory.set_bytes = 0;
}

static void resize(uint64_t size_bytes)
{
	struct sysinfo facts;
	uint64_t count = size_bytes / PAGE;

	sysinfo(&facts);
	if (size_bytes > (facts.freeram * facts.mem_unit + page_count * PAGE) / 10 * 9) {
		memory.refused++;
		memory.wanted_set_bytes = memory.set_bytes;
		return;
	}
	release();
	if (count == 0)
		return;
	pages = reserve(count * PAGE);
	generations = reserve(count * 8);
	noise_sums = reserve(count * 8);
	uint64_t noise = 0x2545f4914f6cdd1dULL;
	for (uint64_t index = 0; index < count; index++) {
		uint64_t *word = pages + index * WORDS;
		for (uint64_t i = 0; i < WORDS; i++) {
			noise ^= noise << 13;
			noise ^= noise >> 7;
			noise ^= noise << 17;
			word[i] = noise;
		}
		write_page(index, 1);
		noise_sums[index] = noise_sum(index);
	}
	page_count = count;
	memory.set_bytes = count * PAGE;
}

static void rewrite(uint64_t *cursor, uint64_t count)
{
	for (; count > 0; count--) {
		if (*cursor >= page_count)
			*cursor = 0;
		check_page(*cursor, 0);
		write_page(*cursor, generations[*cursor] + 1);
		memory.pages_written++;
		++*cursor;
	}
}

static void patrol(uint64_t *cursor, uint64_t *sweep_left, uint64_t background)
{
	uint64_t count = *sweep_left > 0 ? PAGES_A_TICK_SWEEP : background;

	for (; count > 0; count--) {
		if (*cursor >= page_count)
			*cursor = 0;
		check_page(*cursor, 1);
		++*cursor;
		if (*sweep_left > 0 && --*sweep_left == 0) {
			memory.sweeps++;
			return;
		}
	}
}

static void plant(uint64_t index)
{
	/* Stands for a page whose last write was lost: its content is that of one generation ago. */
	uint64_t expected = generations[index];

	write_page(index, expected - 1);
	generations[index] = expected;
}

void *memory_run(void *unused)
{
	struct sched_param none = {0};
	uint64_t cursor = 0, patrol_cursor = 0, sweep_left = 0, sweeps_taken = 0, plants_taken = 0;
	uint64_t set_bytes = 0, previous_ns = now_ns();
	double owed_pages = 0;

	(void)unused;
	sched_setscheduler(0, SCHED_IDLE, &none);
	for (;;) {
		if (memory.wanted_set_bytes != set_bytes) {
			resize(memory.wanted_set_bytes);
			set_bytes = memory.wanted_set_bytes;
			cursor = patrol_cursor = sweep_left = 0;
			previous_ns = now_ns();
		}
		uint64_t rate = memory.wanted_rate_bytes_per_s;
		uint64_t moment_ns = now_ns();
		/* What could not be written in time is not made up for beyond a tenth of a second. */
		owed_pages += (double)rate / PAGE * (double)(moment_ns - previous_ns) / 1e9;
		if (owed_pages > (double)rate / PAGE / 10 + 1)
			owed_pages = (double)rate / PAGE / 10 + 1;
		previous_ns = moment_ns;
		if (page_count > 0) {
			uint64_t due = (uint64_t)owed_pages;
			owed_pages -= (double)due;
			rewrite(&cursor, due);
			for (; plants_taken < memory.wanted_plants; plants_taken++)
				plant((patrol_cursor + page_count / 2) % page_count);
			if (sweep_left == 0 && sweeps_taken < memory.wanted_sweeps) {
				sweeps_taken++;
				sweep_left = page_count;
			}
			patrol(&patrol_cursor, &sweep_left,
			       PAGES_A_S_BACKGROUND *
				       (rate > 0 ? TICK_BUSY_NS : TICK_IDLE_NS) / 1000000000ULL);
		} else if (sweeps_taken < memory.wanted_sweeps) {
			sweeps_taken++;
			memory.sweeps++;
		}
		int busy = rate > 0 || sweep_left > 0;
		sleep_until_ns(moment_ns + (busy ? TICK_BUSY_NS : TICK_IDLE_NS));
	}
	return NULL;
}

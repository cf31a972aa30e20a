/* wal.c - see wal.h.
 *
 * The checksum is linear: a word that is `d` larger makes both halves larger by `d` times a
 * number that depends only on the word's place.  So whether one flipped bit explains a wrong
 * checksum is found by going once over the places, not by trying all bits. */
#include "base/wal.h"
#include "base/mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAGIC = 0x377f0682, /* the lowest bit: checksums of big-endian words */
	FORMAT = 3007000,
	SALTS_AT = 8, /* in a frame's head */
	SUMS_AT = 16,
	HEADER_SALTS_AT = 16,
	HEADER_SUMS_AT = 24,
	QUARTERS = 4,
	QUARTER = SEAL_PAGE / QUARTERS,
};

struct sums {
	uint32_t a, b;
};

bool wal_here_big_endian(void)
{
	return be32toh(1) == 1;
}

static uint32_t big(const unsigned char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return be32toh(n);
}

static uint32_t word(const unsigned char *p, bool big_endian)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return big_endian ? be32toh(n) : le32toh(n);
}

static struct sums sums_at(const unsigned char *p)
{
	return (struct sums){big(p), big(p + 4)};
}

static struct sums add(struct sums s, const unsigned char *p, size_t size, bool big_endian)
{
	for (const unsigned char *end = p + size; p < end; p += 8) {
		s.a += word(p, big_endian) + s.b;
		s.b += word(p + 4, big_endian) + s.a;
	}
	return s;
}

/* What a quarter of a page makes of the sums before it, apart from its own: a' = a + b and
 * b' = a + 2 b, 128 times (by Fibonacci's numbers 255 to 257, modulo 2^32). */
static struct sums after_quarter(struct sums s)
{
	const uint32_t f255 = 0x6b77ee2, f256 = 0xa2592c3b, f257 = 0xa910ab1d;

	return (struct sums){f255 * s.a + f256 * s.b, f256 * s.a + f257 * s.b};
}

/* Each step waits for the one before; so the quarters are summed side by side. */
static struct sums page_sums(struct sums s, const unsigned char *page)
{
	struct sums q[QUARTERS] = {s};

	for (int at = 0; at < QUARTER; at += 8) {
		for (int i = 0; i < QUARTERS; i++) {
			uint32_t pair[2];

			memcpy(pair, page + i * QUARTER + at, sizeof pair);
			q[i].a += pair[0] + q[i].b;
			q[i].b += pair[1] + q[i].a;
		}
	}
	s = q[0];
	for (int i = 1; i < QUARTERS; i++) {
		s = after_quarter(s);
		s.a += q[i].a;
		s.b += q[i].b;
	}
	return s;
}

static struct sums frame_sums(const unsigned char *before, const unsigned char *frame,
			      bool big_endian)
{
	const struct sums head = add(sums_at(before), frame, 8, big_endian);

	if (big_endian == wal_here_big_endian())
		return page_sums(head, frame + WAL_HEAD);
	return add(head, frame + WAL_HEAD, SEAL_PAGE, big_endian);
}

static bool same(struct sums x, struct sums y)
{
	return x.a == y.a && x.b == y.b;
}

bool wal_frame_follows(const unsigned char *before, const unsigned char *frame, bool big_endian)
{
	return same(frame_sums(before, frame, big_endian), sums_at(frame + SUMS_AT));
}

/* ---- one bit ---- */

/* A bit of a word that is `of[0]` in one half and `of[1]` in the other. */
static bool bit_explains(struct sums off, uint32_t in_a, uint32_t in_b)
{
	for (uint32_t bit = 1; bit != 0; bit <<= 1)
		if ((bit * in_a == off.a && bit * in_b == off.b) ||
		    (0 - bit * in_a == off.a && 0 - bit * in_b == off.b))
			return true;
	return false;
}

static bool one_bit(uint32_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* True if one flipped bit, of what the checksum covers or of the checksum, is all that is wrong
 * with a frame that has `stored` where `right` follows from the rest. */
static bool one_bit_off(struct sums stored, struct sums right)
{
	const struct sums off = {stored.a - right.a, stored.b - right.b};
	struct sums first = {1, 1}, second = {0, 1}; /* what the last two words are worth */

	if ((off.a == 0 && one_bit(stored.b ^ right.b)) ||
	    (off.b == 0 && one_bit(stored.a ^ right.a)))
		return true;
	for (int pair = 0; pair < (SEAL_PAGE + 8) / 8; pair++) {
		if (bit_explains(off, first.a, first.b) || bit_explains(off, second.a, second.b))
			return true;
		first = (struct sums){first.a + first.b, first.a + 2 * first.b};
		second = (struct sums){second.a + second.b, second.a + 2 * second.b};
	}
	return false;
}

/* ---- the log ---- */

struct scan {
	struct wal_facts *out;
	uint64_t id;
	bool big_endian;
	unsigned char salts[8];
	unsigned char before[8]; /* the checksum that the next frame follows */
	uint64_t bad;            /* the first frame that is not right; 0: none yet */
	bool committed;          /* a commit stands at it or after it */
	uint32_t page;           /* of the last frame of an unfinished transaction; or 0 */
};

static bool header_ok(const unsigned char *h, bool *big_endian)
{
	*big_endian = (big(h) & 1) != 0;
	return (big(h) & ~1u) == MAGIC && big(h + 4) == FORMAT && big(h + 8) == SEAL_PAGE &&
	       same(add((struct sums){0, 0}, h, HEADER_SUMS_AT, *big_endian),
		    sums_at(h + HEADER_SUMS_AT));
}

static void good_frame(struct scan *s, uint64_t n, const unsigned char *frame)
{
	const uint64_t note = seal_note(frame + WAL_HEAD);

	s->out->frames++;
	s->out->page_1 = s->out->page_1 || big(frame) == 1;
	s->out->commits += big(frame + 4) != 0;
	s->page = big(frame + 4) != 0 ? 0 : big(frame);
	memcpy(s->before, frame + SUMS_AT, sizeof s->before);
	if (s->id != 0 && note != 0 && note != s->id)
		snprintf(s->out->damage, sizeof s->out->damage,
			 "its log (-wal) belongs to another journal or to an earlier time of this "
			 "one, seen in frame %llu",
			 (unsigned long long)n);
}

static void first_bad_frame(struct scan *s, uint64_t n, const unsigned char *frame, bool ours,
			    bool follows)
{
	const struct sums stored = sums_at(frame + SUMS_AT);

	s->bad = n;
	s->committed = ours && big(frame + 4) != 0;
	if (follows || (ours && one_bit_off(stored, frame_sums(s->before, frame, s->big_endian))))
		snprintf(s->out->damage, sizeof s->out->damage,
			 "a bit of its log (-wal) is wrong, in frame %llu", (unsigned long long)n);
}

/* Only the head of `frame` is looked at.  SQLite writes a transaction's pages by their numbers:
 * where these do not grow, another transaction begins, also if the mark of the last one's end
 * was lost.  (Unless it ran out of memory for them: our connections do not, see seal_vfs.h.) */
static void later_frame(struct scan *s, const unsigned char *frame)
{
	if (memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) != 0)
		return; /* left over from before the log was begun anew */
	if (s->committed || (s->id != 0 && big(frame) <= s->page))
		snprintf(
			s->out->damage, sizeof s->out->damage,
			"frame %llu of its log (-wal) is wrong, and transactions that were durable "
			"come after it",
			(unsigned long long)s->bad);
	s->committed = s->committed || big(frame + 4) != 0;
	s->page = big(frame);
}

static void look_at(struct scan *s, uint64_t n, const unsigned char *frame)
{
	const bool ours = memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) == 0;
	const bool follows = wal_frame_follows(s->before, frame, s->big_endian);

	if (ours && follows && big(frame) != 0)
		good_frame(s, n, frame);
	else
		first_bad_frame(s, n, frame, ours, follows);
}

int wal_scan(int fd, off_t size, uint64_t id, struct wal_facts *out)
{
	struct scan s = {.out = out, .id = id};
	unsigned char frame[WAL_FRAME];
	uint64_t n = 1;

	memset(out, 0, sizeof *out);
	if (size < WAL_HEADER)
		return 0;
	if (pread(fd, frame, WAL_HEADER, 0) != WAL_HEADER)
		return -1;
	out->header = header_ok(frame, &s.big_endian);
	if (!out->header)
		return 0;
	memcpy(s.salts, frame + HEADER_SALTS_AT, sizeof s.salts);
	memcpy(s.before, frame + HEADER_SUMS_AT, sizeof s.before);
	for (off_t at = WAL_HEADER; at + WAL_FRAME <= size && out->damage[0] == '\0';
	     at += WAL_FRAME, n++) {
		const size_t want = s.bad == 0 ? WAL_FRAME : WAL_HEAD;
		const ssize_t got = pread(fd, frame, want, at);

		if (got != (ssize_t)want) {
			errno = got < 0 ? errno : EIO;
			return -1;
		}
		if (s.bad == 0)
			look_at(&s, n, frame);
		else
			later_frame(&s, frame);
	}
	return 0;
}

int wal_scan_of(const char *path, uint64_t id, struct wal_facts *out)
{
	char *name = mem_printf("%s-wal", path);
	const int fd = open(name, O_RDONLY | O_CLOEXEC);
	int rc = -1, why = errno;

	free(name);
	memset(out, 0, sizeof *out);
	if (fd < 0)
		return why == ENOENT ? 0 : -1;
	rc = wal_scan(fd, lseek(fd, 0, SEEK_END), id, out);
	why = errno;
	close(fd);
	errno = why;
	return rc;
}

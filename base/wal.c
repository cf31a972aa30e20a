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
	PLACES = WAL_FRAME, /* instead of a place in a frame */
	SECTOR = 512,       /* a disk writes it whole or not at all */
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

/* ---- putting right ---- */

/* A bit of a word that is worth `one` of a checksum, if that is all that is `off`; else 0. */
static uint32_t bit_of(struct sums off, struct sums one)
{
	for (uint32_t bit = 1; bit != 0; bit <<= 1)
		if ((bit * one.a == off.a && bit * one.b == off.b) ||
		    (0 - bit * one.a == off.a && 0 - bit * one.b == off.b))
			return bit;
	return 0;
}

static bool one_bit(uint32_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

static void flip(unsigned char *p, uint32_t bit, bool big_endian)
{
	const uint32_t x = big_endian ? htobe32(bit) : htole32(bit);
	uint32_t n;

	memcpy(&n, p, sizeof n);
	n ^= x;
	memcpy(p, &n, sizeof n);
}

/* Of what the checksum covers: the `k`th pair of words from its end. */
static int pair_at(int k)
{
	return k < SEAL_PAGE / 8 ? WAL_FRAME - 8 * (k + 1) : 0;
}

/* Flips the bit of what the checksum covers that explains the stored one.  Where its pair of
 * words is; -1: no bit does; or PLACES: more than one would.  (The checksum counts modulo 2^32, so
 * the high bits of a word look like those of others.) */
static int flip_covered(unsigned char *frame, struct sums off, bool big_endian)
{
	struct sums first = {1, 1}, second = {0, 1}; /* what the last two words are worth */
	uint32_t bit = 0;
	int word = -1;

	for (int k = 0; k <= SEAL_PAGE / 8; k++) {
		const uint32_t in_first = bit_of(off, first), in_second = bit_of(off, second);

		if ((in_first | in_second) != 0) {
			if (bit != 0 || (in_first != 0 && in_second != 0))
				return PLACES;
			bit = in_first | in_second;
			word = pair_at(k) + (in_first != 0 ? 0 : 4);
		}
		first = (struct sums){first.a + first.b, first.a + 2 * first.b};
		second = (struct sums){second.a + second.b, second.a + 2 * second.b};
	}
	if (word < 0)
		return -1;
	flip(frame + word, bit, big_endian);
	return word / 8 * 8;
}

static void put_big(unsigned char *p, uint32_t n)
{
	n = htobe32(n);
	memcpy(p, &n, sizeof n);
}

/* Puts right a frame that is wrong in one bit: the 8 bytes that differ then begin at what is
 * returned, or -1, or PLACES. */
static int put_bit_right(const unsigned char *before, unsigned char *frame, bool big_endian)
{
	const struct sums stored = sums_at(frame + SUMS_AT),
			  right = frame_sums(before, frame, big_endian);
	const struct sums off = {stored.a - right.a, stored.b - right.b};
	int at;

	if ((off.a == 0 && one_bit(stored.b ^ right.b)) ||
	    (off.b == 0 && one_bit(stored.a ^ right.a))) {
		put_big(frame + SUMS_AT, right.a);
		put_big(frame + SUMS_AT + 4, right.b);
		return SUMS_AT;
	}
	at = flip_covered(frame, off, big_endian);
	return at < 0 || at == PLACES || wal_frame_follows(before, frame, big_endian) ? at : -1;
}

/* ---- the log ---- */

struct scan {
	struct wal_facts *out;
	uint64_t id;
	bool big_endian;
	unsigned char salts[8];
	unsigned char before[8]; /* the checksum that the next frame follows */
	uint64_t bad;            /* the first frame that is not right; 0: none yet */
	size_t n_fixes;          /* also of an unfinished transaction */
	uint64_t doubt;          /* a frame of it in which a bit is wrong, who knows which; or 0 */
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

static void commit(struct scan *s)
{
	s->out->commits++;
	s->out->whole = s->out->frames;
	s->out->tail = false;
	s->out->n_fixes = s->n_fixes;
	if (s->doubt != 0)
		snprintf(s->out->damage, sizeof s->out->damage,
			 "a bit of its log (-wal) is wrong, in frame %llu",
			 (unsigned long long)s->doubt);
}

static void good_frame(struct scan *s, uint64_t n, const unsigned char *frame)
{
	const uint64_t note = seal_note(frame + WAL_HEAD);

	s->out->frames++;
	s->out->page_1 = s->out->page_1 || big(frame) == 1;
	if (big(frame + 4) != 0)
		commit(s);
	s->page = big(frame + 4) != 0 ? 0 : big(frame);
	s->out->tail = s->out->tail || big(frame + 4) == 0;
	memcpy(s->before, frame + SUMS_AT, sizeof s->before);
	if (s->id != 0 && note != 0 && note != s->id)
		snprintf(s->out->damage, sizeof s->out->damage,
			 "its log (-wal) belongs to another journal or to an earlier time of this "
			 "one, seen in frame %llu",
			 (unsigned long long)n);
}

/* True if the salts of a frame's head stand in another sector than its page's number: then these
 * need not be of one write. */
static bool head_of_two(uint64_t n)
{
	const uint64_t at = WAL_HEADER + (n - 1) * WAL_FRAME;

	return at / SECTOR != (at + SALTS_AT + 7) / SECTOR;
}

static void first_bad_frame(struct scan *s, uint64_t n, const unsigned char *frame)
{
	const bool ours = memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) == 0;

	s->bad = n;
	s->out->tail = s->out->tail || ours;
	s->committed = ours && !head_of_two(n) && big(frame + 4) != 0;
}

/* A frame that is right but for its salts, which its checksum does not cover, or but for a
 * bit.  Its checksum says so, and what was meant. */
static bool put_right(struct scan *s, uint64_t n, unsigned char *frame)
{
	const bool ours = memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) == 0;
	struct wal_fix *fix = &s->out->fixes[s->n_fixes];
	int at = SALTS_AT;

	if (s->n_fixes == WAL_FIXES)
		return false;
	if (!ours && wal_frame_follows(s->before, frame, s->big_endian))
		memcpy(frame + SALTS_AT, s->salts, sizeof s->salts);
	else
		at = ours ? put_bit_right(s->before, frame, s->big_endian) : -1;
	if (at < 0 || big(frame) == 0)
		return false;
	if (at == PLACES) {
		s->doubt = n;
		return true;
	}
	fix->frame = n;
	fix->at = (off_t)(WAL_HEADER + (n - 1) * WAL_FRAME) + at;
	memcpy(fix->bytes, frame + at, sizeof fix->bytes);
	s->n_fixes++;
	return true;
}

/* Only the head of `frame` is looked at.  SQLite writes a transaction's pages by their numbers:
 * where these do not grow, another transaction begins, also if the mark of the last one's end
 * was lost.  (Unless it ran out of memory for them: our connections do not, see seal_vfs.h.) */
static void later_frame(struct scan *s, uint64_t n, const unsigned char *frame)
{
	if (memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) != 0)
		return; /* left over from before the log was begun anew */
	s->out->tail = true;
	if (head_of_two(n))
		return;
	if (s->committed || (s->id != 0 && big(frame) <= s->page))
		snprintf(
			s->out->damage, sizeof s->out->damage,
			"frame %llu of its log (-wal) is wrong, and transactions that were durable "
			"come after it",
			(unsigned long long)s->bad);
	s->committed = s->committed || big(frame + 4) != 0;
	s->page = big(frame);
}

static void look_at(struct scan *s, uint64_t n, unsigned char *frame)
{
	const bool ours = memcmp(frame + SALTS_AT, s->salts, sizeof s->salts) == 0;

	if ((ours && big(frame) != 0 && wal_frame_follows(s->before, frame, s->big_endian)) ||
	    put_right(s, n, frame))
		good_frame(s, n, frame);
	else
		first_bad_frame(s, n, frame);
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
			later_frame(&s, n, frame);
	}
	return 0;
}

static int open_log(const char *path, int flags)
{
	char *name = mem_printf("%s-wal", path);
	const int fd = open(name, flags | O_CLOEXEC), why = errno;

	free(name);
	errno = why;
	return fd;
}

static int close_log(int fd, int rc)
{
	const int why = errno;

	close(fd);
	errno = why;
	return rc;
}

int wal_scan_of(const char *path, uint64_t id, struct wal_facts *out)
{
	const int fd = open_log(path, O_RDONLY);

	memset(out, 0, sizeof *out);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	return close_log(fd, wal_scan(fd, lseek(fd, 0, SEEK_END), id, out));
}

int wal_fix_of(const char *path, const struct wal_facts *facts)
{
	const int fd = open_log(path, O_RDWR);
	int rc = 0;

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < facts->n_fixes && rc == 0; i++) {
		const struct wal_fix *fix = &facts->fixes[i];

		if (pwrite(fd, fix->bytes, sizeof fix->bytes, fix->at) != sizeof fix->bytes)
			rc = -1;
	}
	if (rc == 0)
		rc = fsync(fd);
	return close_log(fd, rc);
}

/* Of each frame the head, without which it is nothing. */
static int wipe_from(int fd, off_t at)
{
	static const unsigned char nothing[WAL_HEAD];
	unsigned char header[WAL_HEADER], head[WAL_HEAD];

	if (pread(fd, header, sizeof header, 0) != sizeof header)
		return -1;
	for (; pread(fd, head, sizeof head, at) == sizeof head; at += WAL_FRAME)
		if (memcmp(head + SALTS_AT, header + HEADER_SALTS_AT, 8) == 0 &&
		    pwrite(fd, nothing, sizeof nothing, at) != sizeof nothing)
			return -1;
	return fsync(fd);
}

int wal_forget_tail(const char *path)
{
	const int fd = open_log(path, O_RDWR);
	struct wal_facts facts;
	int rc;

	if (fd < 0)
		return -1;
	rc = wal_scan(fd, lseek(fd, 0, SEEK_END), 0, &facts);
	if (rc == 0 && facts.header && facts.damage[0] == '\0')
		rc = wipe_from(fd, WAL_HEADER + (off_t)facts.whole * WAL_FRAME);
	return close_log(fd, rc);
}

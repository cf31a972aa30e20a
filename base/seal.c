/* seal.c - see seal.h.
 *
 * Eight lanes take every eighth word, so that the processor need not wait for a product.  Each
 * step can be undone (an odd factor, a rotation): two pages that differ in one word never
 * have the same checksum; two that differ in more have it once in 2^64. */
#include "base/seal.h"

#include <endian.h>
#include <string.h>

enum { LANES = 8, NOTE_AT = SEAL_PAGE - SEAL_RESERVED, SEAL_AT = NOTE_AT + 8 };

/* Odd, and of no pattern: the digits of the square roots of the first primes. */
static const uint64_t factors[LANES] = {
	0x6a09e667f3bcc909, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static uint64_t word_at(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return le64toh(word);
}

static void put_word(unsigned char *p, uint64_t word)
{
	word = htole64(word);
	memcpy(p, &word, sizeof word);
}

static inline uint64_t step(uint64_t lane, uint64_t word, uint64_t factor)
{
	lane = (lane ^ word) * factor;
	return lane << 29 | lane >> 35;
}

static uint64_t sum_of(const unsigned char *page, uint32_t number)
{
	uint64_t lanes[LANES] = {number}, sum = 0;
	int at = 0;

	for (; at + LANES * 8 <= SEAL_AT; at += LANES * 8)
		for (int i = 0; i < LANES; i++)
			lanes[i] = step(lanes[i], word_at(page + at + 8 * i), factors[i]);
	for (int i = 0; at < SEAL_AT; at += 8, i++)
		lanes[i] = step(lanes[i], word_at(page + at), factors[i]);
	for (int i = 0; i < LANES; i++) {
		sum = step(sum, lanes[i], factors[i]);
		sum ^= sum >> 31;
	}
	return sum;
}

void seal_strip(unsigned char *page, uint64_t note)
{
	put_word(page + NOTE_AT, note);
	put_word(page + SEAL_AT, 0);
}

void seal_put(unsigned char *page, uint32_t number, uint64_t note)
{
	put_word(page + NOTE_AT, note);
	put_word(page + SEAL_AT, sum_of(page, number));
}

bool seal_check(const unsigned char *page, uint32_t number)
{
	return word_at(page + SEAL_AT) == sum_of(page, number);
}

uint64_t seal_note(const unsigned char *page)
{
	return word_at(page + NOTE_AT);
}

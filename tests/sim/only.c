/* only.c - a part of a history, in words: `t3,g1,heals@2500000,link0@1300.2`; see trial.h.
 *
 * `heals` is when nothing fails any more, `again` gives all but the plots other dice.
 * A bare name is a transaction or a saga, a name with a time is one thing that happened
 * there.  What is not named is left out. */
#include "tests/sim/trial.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool whole(uint64_t *bits, const char *number, uint64_t limit)
{
	char *end;
	const uint64_t n = strtoull(number, &end, 10);

	if (end == number || *end != '\0' || n >= limit)
		return false;
	*bits |= (uint64_t)1 << n;
	return true;
}

static bool parse_one(struct sim_only *only, const char *word)
{
	if (sscanf(word, "heals@%" SCNu64, &only->heals_us) == 1)
		return true;
	if (sscanf(word, "again@%" SCNu64, &only->again) == 1)
		return true;
	if (strchr(word, '@') == NULL && word[0] == 't')
		return whole(&only->clients, word + 1, SIM_TXNS);
	if (strchr(word, '@') == NULL && word[0] == 'g')
		return whole(&only->sagas, word + 1, SIM_SAGAS);
	return only->points.n < SIM_POINTS &&
	       sim_point_parse(&only->points.at[only->points.n++], word);
}

bool only_parse(struct sim_only *only, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	bool good = copy != NULL;

	memset(only, 0, sizeof *only);
	while (good && (word = strsep(&rest, ",")) != NULL) {
		good = parse_one(only, word);
		if (!good)
			fprintf(stderr, "sim: --only: '%s' is no part of a history\n", word);
	}
	free(copy);
	return good;
}

void only_print(const struct sim_only *only, FILE *out)
{
	const char *comma = "";
	char text[64];

	for (unsigned i = 0; i < SIM_TXNS; i++)
		if (((only->clients >> i) & 1) != 0)
			fprintf(out, "%st%u", comma, i), comma = ",";
	for (unsigned i = 0; i < SIM_SAGAS; i++)
		if (((only->sagas >> i) & 1) != 0)
			fprintf(out, "%sg%u", comma, i), comma = ",";
	if (only->heals_us != 0)
		fprintf(out, "%sheals@%" PRIu64, comma, only->heals_us), comma = ",";
	if (only->again != 0)
		fprintf(out, "%sagain@%" PRIu64, comma, only->again), comma = ",";
	for (size_t i = 0; i < only->points.n; i++) {
		sim_point_text(&only->points.at[i], text, sizeof text);
		fprintf(out, "%s%s", comma, text), comma = ",";
	}
}

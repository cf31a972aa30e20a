/* word.h - texts that many things have in common: one copy of each, counted.
 *
 * A hundred thousand transactions name the same few resources, operations and agents.
 * A copy of each name in each would be 288 bytes a transaction of two branches, more than
 * a quarter of all that it takes.
 * Thread: one of the process; in `settled` the loop's. */
#ifndef BASE_WORD_H
#define BASE_WORD_H

/* The one copy of `text`, for as long as somebody holds it; NULL gives NULL.  Two words are
 * the same text exactly if they are the same pointer. */
const char *word_hold(const char *text);

/* The same, of what printf makes of the format. */
const char *word_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ends one hold. NULL is ignored. */
void word_drop(const char *word);

#endif

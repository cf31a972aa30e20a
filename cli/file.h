/* file.h - a file that the user named, as a whole.  Thread: one. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* The whole of a file, or of standard input for "-", with a NUL after it; at most 4 MiB.
 * Give it to free().  NULL after having said why on standard error. */
char *file_read(const char *path, size_t *size);

/* Whether an operand means a file and not the name of a published workflow: it is there,
 * or it looks like a path. */
bool file_is_meant(const char *operand);

#endif

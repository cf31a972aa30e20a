/* gather.c - see gather.h. */
#include "base/gather.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* 31 frames of a log: SQLite's own files take less than 128 KiB with one call, and say that the
 * disk is full if it is more. */
enum { ROOM = 31 * 4120 };

int gather_flush(struct gather *g, sqlite3_file *f)
{
	int rc;

	if (g->size == 0)
		return SQLITE_OK;
	rc = f->pMethods->xWrite(f, g->bytes, g->size, g->at);
	if (rc == SQLITE_OK)
		g->size = 0;
	return rc;
}

int gather_write(struct gather *g, sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	int rc = SQLITE_OK;

	if (at != g->at + g->size || n > ROOM - g->size)
		rc = gather_flush(g, f);
	if (rc != SQLITE_OK)
		return rc;
	if (n > ROOM)
		return f->pMethods->xWrite(f, data, n, at);
	if (g->bytes == NULL)
		g->bytes = mem_new(ROOM, 1);
	if (g->size == 0)
		g->at = at;
	memcpy(g->bytes + g->size, data, (size_t)n);
	g->size += n;
	return SQLITE_OK;
}

void gather_fini(struct gather *g)
{
	free(g->bytes);
	*g = (struct gather){0};
}

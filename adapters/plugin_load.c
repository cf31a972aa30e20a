/* plugin_load.c - see plugin_load.h. */
#include "adapters/plugin_load.h"

#include "base/mem.h"
#include "wire/frame.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---- */

/* What decides whether a file can be mapped here; it lies in front of all that differs
 * between 32 and 64 bits. */
struct elf_head {
	unsigned char ident[EI_NIDENT];
	uint16_t type, machine;
};

static bool read_head(const char *path, struct elf_head *head)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, head, sizeof *head) : -1;

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof *head && memcmp(head->ident, ELFMAG, SELFMAG) == 0;
}

/* The system's own words for a foreign architecture are "no such file". */
static enum rc check_head(const char *path, struct err *err)
{
	struct elf_head theirs, ours;

	if (!read_head(path, &theirs))
		return err_set(err, RC_INVALID,
			       "%s is not a shared library: `library` must name the .so file that "
			       "was built from the plugin's source",
			       path);
	if (read_head("/proc/self/exe", &ours) &&
	    (theirs.ident[EI_CLASS] != ours.ident[EI_CLASS] ||
	     theirs.ident[EI_DATA] != ours.ident[EI_DATA] || theirs.machine != ours.machine))
		return err_set(err, RC_INVALID,
			       "%s is built for another architecture than this agent: build it on "
			       "(or for) this machine",
			       path);
	if (theirs.type != ET_DYN)
		return err_set(err, RC_INVALID,
			       "%s is not a shared library, but a program or an object file: build "
			       "it with `cc -shared -fPIC`",
			       path);
	return RC_OK;
}

static enum rc check_file(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_set(err, RC_INVALID, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, RC_INVALID, "%s is not a file", path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err, RC_INVALID,
			       "%s may be written by others than its owner, who could run anything "
			       "in this agent: `chmod go-w` it",
			       path);
	if (access(path, R_OK) != 0)
		return err_set(err, RC_INVALID, "cannot read %s: %s", path, strerror(errno));
	return check_head(path, err);
}

static enum rc find_file(const char *path, const char *directory, char **real, struct err *err)
{
	char *full = path[0] == '/' || directory == NULL ? mem_dup(path)
							 : mem_printf("%s/%s", directory, path);

	*real = realpath(full, NULL);
	if (*real == NULL)
		err_set(err, RC_INVALID, "cannot find the library %s: %s", full, strerror(errno));
	free(full);
	return *real != NULL ? RC_OK : RC_INVALID;
}

/* ---- its table ---- */

static enum rc check_table(const struct plugin_library *lib, struct err *err)
{
	const struct settle_plugin *t = &lib->api;
	const int groups = (t->prepare != NULL) + (t->commit != NULL) + (t->rollback != NULL) +
			   (t->list != NULL);
	const char *problem = NULL;

	if (t->name == NULL || t->name[0] == '\0')
		problem = "has no name";
	else if (t->open == NULL || t->close == NULL)
		problem = "has no `open` or no `close`";
	else if (groups != 0 && groups != 4)
		problem = "has some of `prepare`, `commit`, `rollback` and `list`, but not all "
			  "four: a group needs all";
	else if (groups == 0 && t->call == NULL)
		problem = "has neither `call` nor `prepare`, and could do nothing";
	else if ((t->flags & ~(uint32_t)SETTLE_EXACT) != 0)
		problem = "sets flags that this agent does not know";
	if (problem == NULL)
		return RC_OK;
	return err_set(err, RC_INVALID,
		       "%s: its table `settle_plugin` %s; this is a mistake of the plugin's",
		       lib->path, problem);
}

/* Nothing but `abi` and `size` may be read before they are known to fit. */
static enum rc read_table(struct plugin_library *lib, struct err *err)
{
	const struct settle_plugin *t = dlsym(lib->handle, "settle_plugin");

	if (t == NULL)
		return err_set(err, RC_INVALID,
			       "%s has no symbol `settle_plugin`: it is no plugin, or hides the "
			       "symbol (see settle_plugin.h)",
			       lib->path);
	if (t->abi != SETTLE_PLUGIN_ABI)
		return err_set(err, RC_INVALID,
			       "%s is built for version %u of the plugin interface, and this agent "
			       "has version %d: build it with this agent's settle_plugin.h",
			       lib->path, (unsigned)t->abi, SETTLE_PLUGIN_ABI);
	/* Version 1 began with this size. */
	if (t->size < sizeof lib->api)
		return err_set(err, RC_INVALID,
			       "%s: the size in its table `settle_plugin` is %u, and must be "
			       "sizeof(struct settle_plugin)",
			       lib->path, (unsigned)t->size);
	lib->api = *t;
	return check_table(lib, err);
}

enum rc plugin_load(const char *path, const char *directory, struct plugin_library *lib,
		    struct err *err)
{
	enum rc rc;

	*lib = (struct plugin_library){0};
	rc = find_file(path, directory, &lib->path, err);
	if (rc == RC_OK)
		rc = check_file(lib->path, err);
	if (rc == RC_OK) {
		lib->handle = dlopen(lib->path, RTLD_NOW | RTLD_LOCAL);
		if (lib->handle == NULL) {
			char *why = frame_cut_reason(dlerror());

			rc = err_set(err, RC_INVALID, "cannot load it: %s", why);
			free(why);
		}
	}
	if (rc == RC_OK)
		rc = read_table(lib, err);
	if (rc != RC_OK)
		plugin_unload(lib);
	return rc;
}

void plugin_unload(struct plugin_library *lib)
{
	if (lib->handle != NULL)
		dlclose(lib->handle);
	free(lib->path);
	*lib = (struct plugin_library){0};
}

/* sp_url.c - reading the URLs of sp.h. */
#include "wire/sp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum rc read_port(const char *text, struct sp_url *url, struct err *err)
{
	const size_t n = strlen(text);

	if (n == 0 || n > 5 || strspn(text, "0123456789") != n || atoi(text) > 65535)
		return err_set(err, RC_INVALID, "`%s` is not a port (0 to 65535)", text);
	memcpy(url->port, text, n + 1);
	return RC_OK;
}

/* "host:port", "*:port", "[v6]:port" */
static enum rc read_tcp(const char *text, struct sp_url *url, struct err *err)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t n;

	if (colon == NULL)
		return err_set(err, RC_INVALID, "`tcp://%s` must be tcp://host:port", text);
	n = (size_t)(colon - text);
	if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	} else if (memchr(host, ':', n) != NULL) {
		return err_set(err, RC_INVALID, "`tcp://%s`: an IPv6 address goes in [ ]", text);
	}
	if (n == 1 && host[0] == '*')
		n = 0;
	if (n > 0 && strcspn(host, "/?#@ ") < n)
		return err_set(err, RC_INVALID, "`tcp://%s` must be tcp://host:port", text);
	snprintf(url->host, sizeof url->host, "%.*s", (int)n, host);
	return read_port(colon + 1, url, err);
}

enum rc sp_url_parse(const char *text, struct sp_url *url, struct err *err)
{
	*url = (struct sp_url){.ipc = strncmp(text, "ipc://", 6) == 0};
	if (strlen(text) > SP_URL_MAX)
		return err_set(err, RC_INVALID, "a URL of more than %d bytes", SP_URL_MAX);
	if (strncmp(text, "tcp://", 6) == 0)
		return read_tcp(text + 6, url, err);
	if (!url->ipc)
		return err_set(err, RC_INVALID, "`%s` is not a tcp:// or ipc:// URL", text);
	if (text[6] != '/' || strlen(text + 6) >= sizeof url->path)
		return err_set(err, RC_INVALID,
			       "`%s`: the path must be absolute, at most %zu bytes", text,
			       sizeof url->path - 1);
	memcpy(url->path, text + 6, strlen(text + 6) + 1);
	return RC_OK;
}

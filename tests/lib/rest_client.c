#include "tests/lib/rest_client.h"

#include "tests/lib/harness.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t collect(char *bytes, size_t size, size_t n, void *arg)
{
	FILE *f = arg;
	return fwrite(bytes, size, n, f);
}

struct response rest_send(const char *base, const char *method, const char *path, const char *body,
			  long size, int timeout_ms)
{
	struct response r = {0};
	CURL *curl = curl_easy_init();
	NEED(curl, "no curl");
	char *url = textf("%s%s", base, path);
	FILE *out = open_memstream(&r.body, &r.size);
	struct curl_slist *headers = NULL;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	if (body) {
		headers = curl_slist_append(headers, "Content-Type: application/json");
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, size < 0 ? (long)strlen(body) : size);
	}
	CURLcode rc = curl_easy_perform(curl);
	fclose(out);
	const char *type = NULL;
	if (rc == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r.status);
		curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	}
	r.type = textf("%s", type ? type : "");
	r.json = json_loadb(r.body, r.size, 0, NULL);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	free(url);
	return r;
}

void response_free(struct response *r)
{
	free(r->body);
	free(r->type);
	json_decref(r->json);
	memset(r, 0, sizeof *r);
}

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

int raw_connect(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0,
	     "cannot connect to port %d: %s", port, strerror(errno));
	return fd;
}

bool raw_send(int fd, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, bytes + done, size - done, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

size_t raw_read(int fd, char *out, size_t room, int timeout_ms, bool *closed)
{
	int64_t until = clock_ms() + timeout_ms;
	size_t done = 0;
	*closed = false;
	while (done + 1 < room) {
		int64_t left = until - clock_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (left < 0 || poll(&p, 1, (int)left) <= 0)
			break;
		ssize_t n = recv(fd, out + done, room - 1 - done, 0);
		if (n <= 0) {
			*closed = true;
			break;
		}
		done += (size_t)n;
	}
	out[done] = '\0';
	return done;
}

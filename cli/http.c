/* http.c - see http.h. */
#include "cli/http.h"

#include "base/mem.h"
#include "cli/text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 256 << 20, CONNECT_MS = 5000 };

struct incoming {
	char *text;
	size_t size, room;
};

static size_t on_data(char *data, size_t one, size_t size, void *arg)
{
	struct incoming *in = arg;

	if (size * one > ANSWER_MAX - in->size)
		return 0; /* curl ends the call with an error */
	if (in->size + size * one + 1 > in->room) {
		in->room = 2 * (in->size + size * one + 1);
		in->text = mem_grow(in->text, in->room, 1);
	}
	memcpy(in->text + in->size, data, size * one);
	in->size += size * one;
	in->text[in->size] = '\0';
	return size * one;
}

/* What a failed transfer says about the other side. */
static enum rc judge(const struct cli *cli, CURLcode code, const char *detail, struct err *err)
{
	const char *why = detail[0] != '\0' ? detail : curl_easy_strerror(code);

	switch ((int)code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(err, RC_INVALID, "%s is not the URL of a server", cli->server);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return err_set(err, RC_UNAVAILABLE, "no settled answers at %s: %s", cli->server,
			       why);
	default: return err_set(err, RC_UNKNOWN, "no answer from %s: %s", cli->server, why);
	}
}

/* What is sent after the head. */
struct outgoing {
	const char *type;
	const char *text; /* NULL: nothing */
	size_t size;
};

static struct curl_slist *make_headers(const struct cli *cli, const struct outgoing *body)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");

	/* Our bodies are small: to wait for a 100 Continue would cost a round trip. */
	list = curl_slist_append(list, "Expect:");
	if (body->text != NULL) {
		char *line = mem_printf("Content-Type: %s", body->type);

		list = curl_slist_append(list, line);
		free(line);
	}
	if (cli->token != NULL) {
		char *line = mem_printf("Authorization: Bearer %s", cli->token);

		list = curl_slist_append(list, line);
		free(line);
	}
	return list;
}

static CURLcode transfer(struct cli *cli, const char *method, const char *url,
			 const struct outgoing *body, uint64_t timeout_ms, struct incoming *in,
			 char *detail, long *status)
{
	CURL *curl = cli->curl != NULL ? cli->curl : curl_easy_init();
	struct curl_slist *headers = make_headers(cli, body);
	CURLcode code;

	if (curl == NULL || headers == NULL)
		abort(); /* out of memory */
	cli->curl = curl;
	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* not past the machine's own network */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, in);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->text != NULL ? body->text : "");
	}
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	return code;
}

static enum rc send_and_receive(struct cli *cli, const char *method, const char *path,
				const struct outgoing *body, uint64_t timeout_ms,
				struct http_answer *out, struct err *err)
{
	char detail[CURL_ERROR_SIZE] = "";
	struct incoming in = {0};
	char *url = mem_printf("%s%s", cli->server, path);
	CURLcode code;

	*out = (struct http_answer){0};
	code = transfer(cli, method, url, body, timeout_ms, &in, detail, &out->status);
	free(url);
	out->text = in.text;
	if (code != CURLE_OK)
		return judge(cli, code, detail, err);
	if (in.text != NULL)
		out->json = json_loadb(in.text, in.size, 0, NULL);
	if (out->json == NULL)
		return err_set(err, RC_INVALID, "%s answered %ld without JSON: is this a settled?",
			       cli->server, out->status);
	return RC_OK;
}

enum rc http_call(struct cli *cli, const char *method, const char *path, const json_t *body,
		  uint64_t timeout_ms, struct http_answer *out, struct err *err)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	const struct outgoing outgoing = {"application/json", text,
					  text != NULL ? strlen(text) : 0};
	const enum rc rc = send_and_receive(cli, method, path, &outgoing, timeout_ms, out, err);

	free(text);
	return rc;
}

void http_fini(struct http_answer *a)
{
	json_decref(a->json);
	free(a->text);
	*a = (struct http_answer){0};
}

/* ---- for people ---- */

static const char *advice(long status)
{
	switch (status) {
	case 401: return "give the server's token in SETTLE_TOKEN, or with --token";
	case 409: return "see what the server knows of it: settle show GID";
	case 413: return "send less: the caps are in docs/rest.md";
	case 429:
	case 503: return "try again in a moment";
	default: return NULL;
	}
}

void http_explain(const struct http_answer *a, const char *file)
{
	const char *detail = json_string_value(json_object_get(a->json, "detail"));
	const char *where = json_string_value(json_object_get(a->json, "where"));
	const json_int_t line = json_integer_value(json_object_get(a->json, "line"));
	const json_int_t column = json_integer_value(json_object_get(a->json, "column"));

	if (file != NULL && (line > 0 || (where != NULL && strcmp(where, "definition") == 0))) {
		text_put(stderr, file);
		if (line > 0)
			fprintf(stderr, ":%d:%d", (int)line, (int)column);
		fprintf(stderr, ": ");
	} else {
		fprintf(stderr, "settle: ");
	}
	if (detail != NULL)
		text_put(stderr, detail);
	else
		fprintf(stderr, "the server answered %ld", a->status);
	fprintf(stderr, "\n");
	if (where != NULL && strcmp(where, "input") == 0)
		fprintf(stderr,
			"  inputs are given with --input NAME=VALUE; the file lists them\n");
	else if (advice(a->status) != NULL)
		fprintf(stderr, "  %s\n", advice(a->status));
}

static void explain_failure(enum rc rc, const struct err *err)
{
	cli_fail("%s", err->text);
	if (rc == RC_UNAVAILABLE)
		fprintf(stderr, "  start it, or say where it is with --server or SETTLE_SERVER\n");
}

/* What came, for whom it came; true: a 2xx. */
static bool take_answer(const struct cli *cli, enum rc rc, const struct err *err, const char *file,
			const struct http_answer *out)
{
	if (rc != RC_OK) {
		explain_failure(rc, err);
		return false;
	}
	if (cli->json)
		printf("%s\n", out->text);
	if (out->status >= 200 && out->status < 300)
		return true;
	http_explain(out, file);
	return false;
}

bool http_ask(struct cli *cli, const char *method, const char *path, const json_t *body,
	      uint64_t timeout_ms, const char *file, struct http_answer *out)
{
	struct err err = {0};
	const enum rc rc = http_call(cli, method, path, body, timeout_ms, out, &err);

	return take_answer(cli, rc, &err, file, out);
}

bool http_ask_text(struct cli *cli, const char *path, const char *type, const char *text,
		   size_t size, const char *file, struct http_answer *out)
{
	const struct outgoing body = {type, text, size};
	struct err err = {0};
	const enum rc rc = send_and_receive(cli, "POST", path, &body, HTTP_TIMEOUT_MS, out, &err);

	return take_answer(cli, rc, &err, file, out);
}

char *http_escape(const char *text)
{
	char *out = mem_new(3 * strlen(text) + 1, 1), *p = out;
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			*p++ = *text;
		else
			p += sprintf(p, "%%%02X", (unsigned)(unsigned char)*text);
	}
	return out;
}

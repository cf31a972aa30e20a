/* yaml.c - see yaml.h: the tree.  Typed reads of it are in yaml_read.c.
 *
 * libyaml's events become nodes as they come, so that a text which breaks a rule
 * is refused at that place, before the rest of it costs anything. */
#include "base/yaml.h"
#include "base/mem.h"
#include "base/surrogate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct yaml_doc {
	struct yaml_node *root;
};

struct reader {
	yaml_parser_t parser;
	const char *text;
	size_t size;
	size_t nodes; /* made so far */
	enum rc rc;   /* of the first failure */
	bool surrogate;
	struct err *err;
};

static void node_free(const struct yaml_node *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->count; i++) {
		node_free(node->items[i]);
		if (node->kind == YAML_MAP)
			node_free(node->keys[i]);
	}
	free((void *)node->items);
	free((void *)node->keys);
	free((void *)node->text);
	free((void *)node);
}

/* ---- failures ---- */

static int place(size_t from_zero)
{
	return (int)from_zero + 1; /* texts have at most YAML_TEXT_MAX lines and columns */
}

static void fail(struct reader *r, const yaml_mark_t *at, const char *text)
{
	r->rc = err_set_at(r->err, RC_INVALID, place(at->line), place(at->column), "%s", text);
}

/* The byte at a place; libyaml's marks count characters, not bytes. */
static char byte_at(const struct reader *r, size_t at_char)
{
	size_t chars = 0;

	for (size_t i = 0; i < r->size; i++) {
		if (((unsigned char)r->text[i] & 0xc0) == 0x80)
			continue; /* inside a character */
		if (chars++ == at_char)
			return r->text[i];
	}
	return '\0';
}

/* libyaml could not even decode the text: it gives a byte offset and no mark. */
static void fail_bytes(struct reader *r)
{
	yaml_mark_t at = {0};

	for (size_t i = 0; i < r->parser.problem_offset && i < r->size; i++) {
		if (r->text[i] == '\n') {
			at.line++;
			at.column = 0;
		} else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	if (strstr(r->parser.problem, "control characters") != NULL)
		fail(r, &at, "a control character (or a NUL byte) is not allowed in the text");
	else
		fail(r, &at, "the text is not valid UTF-8");
}

static void fail_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	char text[256];

	if (p->error == YAML_MEMORY_ERROR)
		abort(); /* as in mem.h */
	if (p->error == YAML_READER_ERROR) {
		fail_bytes(r);
		return;
	}
	r->surrogate = strstr(p->problem, "invalid Unicode character escape") != NULL;
	if (strstr(p->problem, "cannot start any token") != NULL)
		snprintf(text, sizeof text, "%s",
			 byte_at(r, p->problem_mark.index) == '\t'
				 ? "a tab cannot stand here: indent with spaces"
				 : "a value cannot begin with this character: quote the value");
	else if (strstr(p->problem, "mapping values are not allowed") != NULL)
		snprintf(text, sizeof text,
			 "a `:` cannot stand here: check the indentation, or quote the value");
	else if (p->problem_mark.index > 0 && byte_at(r, p->problem_mark.index - 1) == '$' &&
		 byte_at(r, p->problem_mark.index) == '{')
		snprintf(text, sizeof text, "quote a value with ${...} in it: \"${...}\"");
	else if (p->context != NULL && p->context_mark.line != p->problem_mark.line)
		snprintf(text, sizeof text, "not valid YAML: %s that began on line %d, %s",
			 p->context, place(p->context_mark.line), p->problem);
	else
		snprintf(text, sizeof text, "not valid YAML: %s%s%s",
			 p->context != NULL ? p->context : "", p->context != NULL ? ", " : "",
			 p->problem);
	fail(r, &p->problem_mark, text);
}

/* ---- reading ---- */

static bool next_event(struct reader *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev) == 1)
		return true;
	fail_syntax(r);
	return false;
}

/* What is refused before a node is made of it. */
static bool event_allowed(struct reader *r, const yaml_event_t *ev, size_t depth)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	const bool scalar = ev->type == YAML_SCALAR_EVENT;

	if (scalar) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (ev->type == YAML_ALIAS_EVENT || anchor != NULL)
		fail(r, &ev->start_mark,
		     "anchors (&name) and aliases (*name) are not allowed: write the value out, "
		     "or quote it if it is text");
	else if (tag != NULL)
		fail(r, &ev->start_mark,
		     "tags (!name) are not allowed: quote the value if it is text");
	else if (scalar && strlen((char *)ev->data.scalar.value) != ev->data.scalar.length)
		fail(r, &ev->start_mark, "a text may not contain a NUL character");
	else if (!scalar && depth > YAML_DEPTH_MAX)
		r->rc = err_set_at(r->err, RC_TOO_BIG, place(ev->start_mark.line),
				   place(ev->start_mark.column),
				   "lists and maps are nested more than %d levels deep",
				   YAML_DEPTH_MAX);
	else if (++r->nodes > YAML_NODES_MAX)
		r->rc = err_set_at(r->err, RC_TOO_BIG, place(ev->start_mark.line),
				   place(ev->start_mark.column),
				   "the text holds more than %d values", YAML_NODES_MAX);
	return r->rc == RC_OK;
}

/* Room for one more pointer: the array doubles whenever its count is a power of 2. */
static const struct yaml_node **grown(const struct yaml_node **array, size_t count)
{
	if ((count & (count - 1)) != 0)
		return array;
	return mem_grow((void *)array, count > 0 ? 2 * count : 1, sizeof(struct yaml_node *));
}

static int by_text_and_place(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a;
	const struct yaml_node *y = *(const struct yaml_node *const *)b;
	const int order = strcmp(x->text, y->text);

	if (order != 0)
		return order;
	return x->line != y->line ? x->line - y->line : x->column - y->column;
}

/* Sorted copies of the keys lie beside each other when they are equal. (Comparing
 * all pairs would let a megabyte of keys keep us busy for minutes.) */
static void refuse_repeated_keys(struct reader *r, const struct yaml_node *map)
{
	const struct yaml_node **keys = mem_new(map->count, sizeof *keys);

	if (map->count > 0)
		memcpy((void *)keys, (void *)map->keys, map->count * sizeof *keys);
	qsort((void *)keys, map->count, sizeof *keys, by_text_and_place);
	for (size_t i = 1; i < map->count && r->rc == RC_OK; i++)
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
			r->rc = err_set_at(r->err, RC_INVALID, keys[i]->line, keys[i]->column,
					   "the key \"%.60s\" on line %d was given before, on "
					   "line %d",
					   keys[i]->text, keys[i]->line, keys[i - 1]->line);
	free((void *)keys);
}

static struct yaml_node *read_node(struct reader *r, size_t depth);

static void read_items(struct reader *r, struct yaml_node *list, size_t depth)
{
	const struct yaml_node *item;

	while ((item = read_node(r, depth)) != NULL) {
		list->items = grown(list->items, list->count);
		list->items[list->count++] = item;
	}
}

static void read_entries(struct reader *r, struct yaml_node *map, size_t depth)
{
	const struct yaml_node *key, *value;

	while ((key = read_node(r, depth)) != NULL) {
		if (key->kind != YAML_SCALAR)
			r->rc = err_set_at(r->err, RC_INVALID, key->line, key->column,
					   "a key must be a word or a text, not a list or a map");
		value = r->rc == RC_OK ? read_node(r, depth) : NULL;
		if (value == NULL) {
			node_free(key);
			return;
		}
		map->keys = grown(map->keys, map->count);
		map->items = grown(map->items, map->count);
		map->keys[map->count] = key;
		map->items[map->count++] = value;
	}
	if (r->rc == RC_OK)
		refuse_repeated_keys(r, map);
}

/* The next node with all below it.  NULL at the end of a list or map, and, with
 * r->rc set, on a failure. */
static struct yaml_node *read_node(struct reader *r, size_t depth)
{
	struct yaml_node *node = NULL;
	yaml_event_t ev;

	if (!next_event(r, &ev))
		return NULL;
	if (ev.type != YAML_SEQUENCE_END_EVENT && ev.type != YAML_MAPPING_END_EVENT &&
	    event_allowed(r, &ev, depth)) {
		node = mem_new(1, sizeof *node);
		node->line = place(ev.start_mark.line);
		node->column = place(ev.start_mark.column);
		if (ev.type == YAML_SCALAR_EVENT) {
			node->kind = YAML_SCALAR;
			node->text = mem_dup((char *)ev.data.scalar.value);
			node->plain = ev.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		} else if (ev.type == YAML_SEQUENCE_START_EVENT) {
			node->kind = YAML_LIST;
			read_items(r, node, depth + 1);
		} else {
			node->kind = YAML_MAP;
			read_entries(r, node, depth + 1);
		}
	}
	yaml_event_delete(&ev);
	if (r->rc != RC_OK) {
		node_free(node);
		node = NULL;
	}
	return node;
}

/* Takes the next event, which is one of two kinds; true if it is `wanted`. */
static bool take(struct reader *r, yaml_event_type_t wanted, const char *otherwise)
{
	yaml_event_t ev;

	if (!next_event(r, &ev))
		return false;
	if (ev.type != wanted)
		fail(r, &ev.start_mark, otherwise);
	yaml_event_delete(&ev);
	return r->rc == RC_OK;
}

/* stream := document; the error texts of the fixed events cannot come up. */
static struct yaml_node *read_stream(struct reader *r)
{
	struct yaml_node *root = NULL;

	if (take(r, YAML_STREAM_START_EVENT, "not a stream") &&
	    take(r, YAML_DOCUMENT_START_EVENT, "the text is empty") &&
	    (root = read_node(r, 1)) != NULL && take(r, YAML_DOCUMENT_END_EVENT, "not an end"))
		take(r, YAML_STREAM_END_EVENT,
		     "only one document is allowed, and here begins another");
	return root;
}

static enum rc parse_once(const char *text, size_t size, struct yaml_doc **doc, bool *surrogate,
			  struct err *err)
{
	struct reader r = {.text = text, .size = size, .err = err};
	struct yaml_node *root;

	if (yaml_parser_initialize(&r.parser) != 1)
		abort(); /* out of memory, as in mem.h */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	root = read_stream(&r);
	yaml_parser_delete(&r.parser);
	*surrogate = r.surrogate;
	if (r.rc != RC_OK) {
		node_free(root);
		return r.rc;
	}
	*doc = mem_new(1, sizeof **doc);
	(*doc)->root = root;
	return RC_OK;
}

/* ---- public ---- */

enum rc yaml_parse(const char *text, size_t size, struct yaml_doc **doc, struct err *err)
{
	bool surrogate;
	char *joined;
	enum rc rc;

	*doc = NULL;
	if (size > YAML_TEXT_MAX)
		return err_set(err, RC_TOO_BIG, "the text has %zu bytes; at most %d are allowed",
			       size, YAML_TEXT_MAX);
	if (size == 0)
		return err_set_at(err, RC_INVALID, 1, 1, "the text is empty");
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
		text += 3;
		size -= 3;
	}
	rc = parse_once(text, size, doc, &surrogate, err);
	if (rc == RC_OK || !surrogate || !surrogate_may_be(text, size))
		return rc;
	joined = surrogate_join(text, &size);
	rc = parse_once(joined, size, doc, &surrogate, err);
	free(joined);
	return rc;
}

enum rc yaml_parse_file(const char *path, struct yaml_doc **doc, struct err *err)
{
	FILE *file = fopen(path, "re");
	enum rc rc;
	char *text;
	size_t size;

	*doc = NULL;
	if (file == NULL)
		return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "cannot open %s: %s",
			       path, strerror(errno));
	text = mem_new(YAML_TEXT_MAX + 1, 1);
	errno = 0;
	size = fread(text, 1, YAML_TEXT_MAX + 1, file);
	if (ferror(file)) {
		rc = err_set(err, RC_IO, "cannot read %s: %s", path, strerror(errno));
	} else {
		rc = yaml_parse(text, size, doc, err);
		if (rc != RC_OK)
			err_wrap(err, "%s", path);
	}
	free(text);
	fclose(file);
	return rc;
}

const struct yaml_node *yaml_root(const struct yaml_doc *doc)
{
	return doc->root;
}

void yaml_doc_free(struct yaml_doc *doc)
{
	if (doc == NULL)
		return;
	node_free(doc->root);
	free(doc);
}

/* scan.c - see scan.h. */
#include "wire/scan.h"
#include "wire/frame.h"

#include <string.h>

enum {
	/* Elements of all lists together (each of a frame's own lists may have
	 * FRAME_ITEMS_MAX), and fields in all, known or not. */
	ITEMS_MAX = 4 * FRAME_ITEMS_MAX,
	FIELDS_MAX = 10 * ITEMS_MAX,
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5,
};

struct scan {
	const unsigned char *at, *end;
	size_t items, fields; /* seen so far, in the whole frame */
	struct err *err;
};

static enum rc broken(const struct scan *s)
{
	return err_set(s->err, RC_INVALID, "the bytes are not a frame");
}

size_t scan_utf8(const unsigned char *s, size_t size)
{
	const unsigned char c = s[0];
	size_t n = 1;

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		n = 2;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	if (n == 1 || n > size)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, a surrogate, or beyond U+10FFFF. */
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) ||
	    (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool text_ok(const unsigned char *s, size_t size)
{
	if (size == 0)
		return true;
	if (memchr(s, '\0', size) != NULL)
		return false;
	for (size_t n; size > 0; s += n, size -= n)
		if ((n = scan_utf8(s, size)) == 0)
			return false;
	return true;
}

static bool take_varint(struct scan *s, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 70 && s->at < s->end; shift += 7) {
		const unsigned char c = *s->at++;

		if (shift < 64)
			*out |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0)
			return true;
	}
	return false;
}

static enum rc scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type);

static enum rc scan_bytes(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	const unsigned char *outer = s->end;
	uint64_t size;
	enum rc rc = RC_OK;

	if (!take_varint(s, &size) || size > (uint64_t)(s->end - s->at))
		return broken(s);
	if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING && !text_ok(s->at, size))
		return err_set(s->err, RC_INVALID, "`%s` is not UTF-8 text without NUL",
			       field->name);
	if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
		s->at += size;
		return RC_OK;
	}
	s->end = s->at + size;
	rc = scan_fields(s, field->descriptor); /* our messages do not nest in themselves */
	s->end = outer;
	return rc;
}

static enum rc scan_field(struct scan *s, const ProtobufCMessageDescriptor *type)
{
	const ProtobufCFieldDescriptor *field;
	uint64_t tag, ignored;
	size_t width = 0;

	if (!take_varint(s, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return broken(s);
	field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
	if (field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED)
		s->items++;
	s->fields++;
	if (s->items > ITEMS_MAX || s->fields > FIELDS_MAX)
		return err_set(s->err, RC_TOO_BIG, "too many things in one frame");
	switch (tag & 7) {
	case WIRE_VARINT: return take_varint(s, &ignored) ? RC_OK : broken(s);
	case WIRE_BYTES: return scan_bytes(s, field);
	case WIRE_64: width = 8; break;
	case WIRE_32: width = 4; break;
	default: return broken(s);
	}
	if ((size_t)(s->end - s->at) < width)
		return broken(s);
	s->at += width;
	return RC_OK;
}

static enum rc scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type)
{
	enum rc rc = RC_OK;

	while (rc == RC_OK && s->at < s->end)
		rc = scan_field(s, type);
	return rc;
}

enum rc scan_message(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size,
		     struct err *err)
{
	struct scan s = {.err = err};

	if (size > FRAME_MAX)
		return err_set(err, RC_TOO_BIG, "a frame of more than %d bytes", FRAME_MAX);
	if (size == 0)
		return broken(&s);
	s.at = bytes;
	s.end = s.at + size;
	return scan_fields(&s, type);
}

/* openapi.c - docs/openapi.json, carried inside the program so that what it
 * serves at /v1/openapi.json is the text of the same commit.  The assembler reads
 * the file, relative to where make runs: the top of the repository. */
#include "coordinator/rest_core.h"

__asm__(".pushsection .rodata\n"
	".global openapi_json\n"
	".type openapi_json, %object\n"
	"openapi_json:\n"
	".incbin \"docs/openapi.json\"\n"
	".byte 0\n"
	".size openapi_json, . - openapi_json\n"
	".popsection\n");

/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef RK_BASE_UTF8_H
#define RK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text (1..4), or 0 when it is not valid UTF-8 or length is 0. */
size_t rk_utf8_length(const char *text, size_t length);

/* Decodes the character at text into *cp; returns its bytes, or 0 as rk_utf8_length. */
size_t rk_utf8_decode(uint32_t *cp, const char *text, size_t length);

/* Writes cp (a valid scalar value) into out; returns 1..4. */
size_t rk_utf8_encode(char out[4], uint32_t cp);

/* True when the whole text is valid; else *bad (unless NULL) is the offset of the first bad
 * byte. */
bool rk_utf8_valid(const char *text, size_t length, size_t *bad);

#endif

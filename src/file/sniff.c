#include <string.h>

#include "base/utf8.h"
#include "file/weights_private.h"

static bool starts(const uint8_t *data, size_t size, const char *with, size_t length)
{
    return size >= length && memcmp(data, with, length) == 0;
}

static size_t skip_blanks(const uint8_t *data, size_t size, size_t at)
{
    while (at < size && (data[at] == ' ' || data[at] == '\t' || data[at] == '\n' ||
                         data[at] == '\r'))
        at++;
    return at;
}

static bool is_html(const uint8_t *data, size_t size)
{
    static const char *const open[] = {"<!doctype", "<html", "<head", "<?xml", "<body"};
    size_t at = starts(data, size, "\xef\xbb\xbf", 3) ? 3 : 0;
    at = skip_blanks(data, size, at);
    for (size_t k = 0; k < sizeof open / sizeof open[0]; k++) {
        const size_t n = strlen(open[k]);
        size_t i = 0;
        if (size - at < n) continue;
        while (i < n && (data[at + i] | 0x20) == (open[k][i] | 0x20)) i++;
        if (i == n) return true;
    }
    return false;
}

/* The format has no magic number: eight bytes of length, then the JSON of the header. whole: the
 * length is one that lies in the file; such a length may look like any magic number. */
static bool is_safetensors(const uint8_t *data, size_t size, bool whole)
{
    enum { BLANKS = 4096 };
    uint64_t length = 0;
    size_t at;
    if (size < 9) return false;
    for (int i = 7; i >= 0; i--) length = length << 8 | data[i];
    at = skip_blanks(data, size < BLANKS ? size : BLANKS, 8);
    if (at == size || data[at] != '{') return false;
    return whole ? length <= size - 8 : at == 8 || length <= UINT32_MAX;
}

static bool is_zip(const uint8_t *data, size_t size)
{
    enum { END_RECORD = 22 };
    if (starts(data, size, "PK\3\4", 4) || starts(data, size, "PK\5\6", 4)) return true;
    return size >= END_RECORD && memcmp(data + size - END_RECORD, "PK\5\6", 4) == 0;
}

/* ModelProto starts with field 1, ir_version: a small varint; then another field of the message. */
static bool is_onnx(const uint8_t *data, size_t size)
{
    return size >= 4 && data[0] == 0x08 && data[1] >= 1 && data[1] <= 20 &&
           (data[2] == 0x12 || data[2] == 0x1a || data[2] == 0x3a || data[2] == 0x42);
}

static bool is_text(const uint8_t *data, size_t size)
{
    enum { LOOK = 512 };
    const size_t n = size < LOOK ? size : LOOK;
    size_t bad = n;
    for (size_t i = 0; i < n; i++)
        if (data[i] < 0x20 && data[i] != '\t' && data[i] != '\n' && data[i] != '\r') return false;
    /* the last character looked at may be cut */
    return rk_utf8_valid((const char *)data, n, &bad) || (n < size && bad + 4 > n);
}

rk_kind rk_sniff(const uint8_t *data, size_t size)
{
    const size_t at = skip_blanks(data, size, 0);

    if (is_safetensors(data, size, true)) return RK_KIND_SAFETENSORS;
    if (is_zip(data, size)) return RK_KIND_ZIP;
    if (starts(data, size, "version https://git-lfs", 23)) return RK_KIND_LFS;
    if (is_html(data, size)) return RK_KIND_HTML;
    if (starts(data, size, "\x1f\x8b", 2)) return RK_KIND_GZIP;
    if (starts(data, size, "\x89HDF", 4)) return RK_KIND_HDF5;
    if (starts(data, size, "GGUF", 4)) return RK_KIND_GGUF;
    if (starts(data, size, "\x7f" "ELF", 4)) return RK_KIND_ELF;
    if (size > 262 && memcmp(data + 257, "ustar", 5) == 0) return RK_KIND_TAR;
    if (size >= 2 && data[0] == 0x80 && data[1] <= 5) return RK_KIND_PICKLE;
    if (at < size && data[at] == '{' && !memchr(data, 0, size < 8 ? size : 8))
        return RK_KIND_JSON;
    if (is_safetensors(data, size, false)) return RK_KIND_SAFETENSORS;
    if (is_onnx(data, size)) return RK_KIND_ONNX;
    return is_text(data, size) ? RK_KIND_TEXT : RK_KIND_UNKNOWN;
}

const char *rk_kind_text(rk_kind kind)
{
    switch (kind) {
    case RK_KIND_SAFETENSORS: return "a safetensors file";
    case RK_KIND_ZIP: return "a zip, as PyTorch writes it";
    case RK_KIND_PICKLE:
        return "a bare pickle, PyTorch's format before 1.6 (load it there and torch.save it again)";
    case RK_KIND_TAR:
        return "a tar, PyTorch's oldest format (load it there and torch.save it again)";
    case RK_KIND_HTML: return "an HTML page, likely a download that failed";
    case RK_KIND_LFS: return "a Git LFS pointer (fetch the file itself with git lfs pull)";
    case RK_KIND_ONNX: return "an ONNX model";
    case RK_KIND_JSON: return "JSON text";
    case RK_KIND_GZIP: return "gzip data";
    case RK_KIND_HDF5: return "an HDF5 file";
    case RK_KIND_GGUF: return "a GGUF file";
    case RK_KIND_ELF: return "a program (ELF)";
    case RK_KIND_TEXT: return "plain text";
    case RK_KIND_UNKNOWN: break;
    }
    return "a file of unknown kind";
}

#include <string.h>

#include "file/weights.h"

rk_status rk_torch_zip_open(rk_weights **out, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    *out = NULL;
    return rk_fail(err, RK_E_UNSUPPORTED, "%s: PyTorch files are not read yet",
                   rk_quote(name, path, strlen(path)));
}

#include "file/dtype_names.h"

#include <string.h>

bool rk_dtype_parse(rk_dtype *type, size_t *bits, const char *name)
{
    static const struct {
        const char *name;
        size_t bits;
    } other[] = {{"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E5M2", 8}, {"F8_E4M3", 8},
                 {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"C64", 64}};

    for (rk_dtype t = RK_DT_F32; t <= RK_DT_BOOL; t++) {
        if (strcmp(name, rk_dtype_name(t)) != 0) continue;
        *type = t;
        *bits = 8 * rk_dtype_size(t);
        return true;
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        if (strcmp(name, other[i].name) != 0) continue;
        *type = RK_DT_NONE;
        *bits = other[i].bits;
        return true;
    }
    return false;
}

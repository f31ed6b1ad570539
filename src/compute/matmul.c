#include "compute/matmul.h"

#include "base/mem.h"
#include "compute/matmul_onednn.h"
#include "compute/matmul_panels.h"

struct rk_matmul {
    rk_panels *panels;
    rk_onednn *onednn; /* made when it is first needed */
};

rk_status rk_matmul_new(rk_matmul **out, rk_error *err)
{
    rk_matmul *mm = rk_calloc(1, sizeof *mm);
    rk_status st;

    *out = NULL;
    if (!mm) return rk_fail(err, RK_E_MEMORY, "out of memory");
    st = rk_panels_new(&mm->panels, err);
    if (st) {
        rk_matmul_free(mm);
        return st;
    }
    *out = mm;
    return RK_OK;
}

void rk_matmul_free(rk_matmul *mm)
{
    if (!mm) return;
    rk_panels_free(mm->panels);
    rk_onednn_free(mm->onednn);
    rk_free(mm);
}

bool rk_matmul_compiles(const rk_matmul *mm, rk_dtype type)
{
    return !rk_panels_have(mm->panels, type);
}

bool rk_matmul_has_codes(const rk_matmul *mm)
{
    return rk_panels_have(mm->panels, RK_DT_I8);
}

rk_status rk_matmul_run(rk_matmul *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err)
{
    rk_status st = RK_OK;

    if (rk_panels_have(mm->panels, type))
        return rk_panels_run(mm->panels, c, ldc, add, a, b, bias, m, n, k, type, err);
    if (!mm->onednn) st = rk_onednn_new(&mm->onednn, err);
    return st ? st : rk_onednn_run(mm->onednn, c, ldc, add, a, b, bias, m, n, k, type, err);
}

rk_status rk_matmul_codes(rk_matmul *mm, float *c, size_t ldc, const rk_matrix *x,
                          const rk_codes *w, const float *bias, size_t m, size_t n, size_t k,
                          rk_error *err)
{
    return rk_panels_codes(mm->panels, c, ldc, x, w, bias, m, n, k, err);
}

const char *rk_matmul_built_with(void)
{
    return rk_onednn_built_with();
}

/* Sixteen floats: one register with AVX-512, two with AVX2, plain C elsewhere.
 *
 * Every function gives the same bits at every level (each lane is one IEEE operation, fma has one
 * rounding, sums run in the order written here), so code made of these alone does too. Files that
 * rely on it are compiled with -ffp-contract=off. Included by files of one level only. */
#ifndef RK_COMPUTE_SIMD_V16_H
#define RK_COMPUTE_SIMD_V16_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define V16_FORCED static inline __attribute__((always_inline, unused))

/* In plain C an operation is a loop over sixteen floats in memory: too much code to force inline,
 * and under a sanitizer, which checks each access, too much to inline at all. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define V16_SANITIZED 1
#endif
#endif
#if defined(__AVX2__)
#define V16_INLINE V16_FORCED
#elif defined(__SANITIZE_ADDRESS__) || defined(V16_SANITIZED)
#define V16_INLINE static __attribute__((noinline, unused))
#else
#define V16_INLINE static inline __attribute__((unused))
#endif

enum { V16 = 16 };

#if defined(__AVX512F__)

typedef __m512 v16;

V16_INLINE __mmask16 v16_mask(size_t n)
{
    const unsigned lanes = n >= V16 ? 0xffffu : (1u << n) - 1u;
    return (__mmask16)lanes;
}

V16_INLINE v16 v16_set(float x) { return _mm512_set1_ps(x); }
V16_INLINE v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
V16_INLINE void v16_store(float *p, v16 x) { _mm512_storeu_ps(p, x); }
/* Of a constant n the compiler takes one of the two; else a mask is cheaper than a branch. */
V16_INLINE v16 v16_loadn(const float *p, size_t n)
{
    if (__builtin_constant_p(n) && n >= V16) return v16_load(p);
    return _mm512_maskz_loadu_ps(v16_mask(n), p);
}
V16_INLINE void v16_storen(float *p, v16 x, size_t n)
{
    if (__builtin_constant_p(n) && n >= V16) v16_store(p, x);
    else _mm512_mask_storeu_ps(p, v16_mask(n), x);
}
V16_INLINE v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
V16_INLINE v16 v16_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
V16_INLINE v16 v16_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
V16_INLINE v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
V16_INLINE v16 v16_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
V16_INLINE v16 v16_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
V16_INLINE v16 v16_round(v16 a) { return _mm512_roundscale_ps(a, 0x08); }
V16_INLINE v16 v16_abs(v16 a) { return _mm512_abs_ps(a); }
V16_INLINE v16 v16_exp2i(v16 a)
{
    const __m512i n = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(n, 23));
}
/* table[i], i the lowest three bits of each lane of `index`; eight numbers stand there twice */
V16_INLINE v16 v16_pick8(const float table[16], v16 index)
{
    return _mm512_permutexvar_ps(_mm512_castps_si512(index), _mm512_loadu_ps(table));
}
/* b where a is NaN, else a */
V16_INLINE v16 v16_unnan(v16 a, v16 b)
{
    return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), b);
}
/* lanes n and up become x */
V16_INLINE v16 v16_tail(v16 a, v16 x, size_t n)
{
    return _mm512_mask_mov_ps(x, v16_mask(n), a);
}
V16_INLINE int v16_any_less(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_NGE_UQ) != 0; }
V16_INLINE void v16_store_u8(uint8_t *p, v16 x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
V16_INLINE v16 v16_load_s8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
V16_INLINE v16 v16_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
V16_INLINE v16 v16_load_s32(const int32_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(p));
}
V16_INLINE v16 v16_load_bf16(const uint16_t *p)
{
    const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}
V16_INLINE void v16_store_bf16(uint16_t *p, v16 x)
{
    const __m512i b = _mm512_castps_si512(x), top = _mm512_srli_epi32(b, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i near = _mm512_srli_epi32(_mm512_add_epi32(b, half), 16);
    const __m512i all = _mm512_mask_or_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), top,
                                             _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(all));
}
/* lane i + lane i + 8, then + 4, + 2, + 1 */
V16_INLINE float v16_sum(v16 x)
{
    const __m256 e = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}

#elif defined(__AVX2__)

typedef struct v16 {
    __m256 a, b;
} v16;

#define V16_BOTH(one, two) ((v16){ .a = (one), .b = (two) })

V16_INLINE v16 v16_set(float x) { return V16_BOTH(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
V16_INLINE v16 v16_load(const float *p)
{
    return V16_BOTH(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
V16_INLINE void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
V16_INLINE __m256i v16_mask8(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n < 8 ? n : 8)), lane);
}
V16_INLINE v16 v16_loadn(const float *p, size_t n)
{
    if (n >= V16) return v16_load(p);
    return V16_BOTH(_mm256_maskload_ps(p, v16_mask8(n)),
                    n > 8 ? _mm256_maskload_ps(p + 8, v16_mask8(n - 8)) : _mm256_setzero_ps());
}
V16_INLINE void v16_storen(float *p, v16 x, size_t n)
{
    if (n >= V16) {
        v16_store(p, x);
        return;
    }
    _mm256_maskstore_ps(p, v16_mask8(n), x.a);
    if (n > 8) _mm256_maskstore_ps(p + 8, v16_mask8(n - 8), x.b);
}
V16_INLINE v16 v16_add(v16 x, v16 y)
{
    return V16_BOTH(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b));
}
V16_INLINE v16 v16_sub(v16 x, v16 y)
{
    return V16_BOTH(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b));
}
V16_INLINE v16 v16_mul(v16 x, v16 y)
{
    return V16_BOTH(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b));
}
V16_INLINE v16 v16_div(v16 x, v16 y)
{
    return V16_BOTH(_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b));
}
V16_INLINE v16 v16_fma(v16 x, v16 y, v16 z)
{
    return V16_BOTH(_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b));
}
V16_INLINE v16 v16_max(v16 x, v16 y)
{
    return V16_BOTH(_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b));
}
V16_INLINE v16 v16_min(v16 x, v16 y)
{
    return V16_BOTH(_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b));
}
V16_INLINE v16 v16_round(v16 x)
{
    return V16_BOTH(_mm256_round_ps(x.a, 0x08), _mm256_round_ps(x.b, 0x08));
}
V16_INLINE v16 v16_abs(v16 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return V16_BOTH(_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b));
}
V16_INLINE __m256 v16_exp2i8(__m256 a)
{
    const __m256i n = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(n, 23));
}
V16_INLINE v16 v16_exp2i(v16 x) { return V16_BOTH(v16_exp2i8(x.a), v16_exp2i8(x.b)); }
V16_INLINE __m256 v16_pick8x8(const float table[16], __m256 index)
{
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), _mm256_castps_si256(index));
}
V16_INLINE v16 v16_pick8(const float table[16], v16 x)
{
    return V16_BOTH(v16_pick8x8(table, x.a), v16_pick8x8(table, x.b));
}
V16_INLINE v16 v16_unnan(v16 x, v16 y)
{
    return V16_BOTH(_mm256_blendv_ps(x.a, y.a, _mm256_cmp_ps(x.a, x.a, _CMP_UNORD_Q)),
                    _mm256_blendv_ps(x.b, y.b, _mm256_cmp_ps(x.b, x.b, _CMP_UNORD_Q)));
}
V16_INLINE v16 v16_tail(v16 x, v16 y, size_t n)
{
    const __m256 a = _mm256_castsi256_ps(v16_mask8(n));
    const __m256 b = _mm256_castsi256_ps(v16_mask8(n > 8 ? n - 8 : 0));
    return V16_BOTH(_mm256_blendv_ps(y.a, x.a, a), _mm256_blendv_ps(y.b, x.b, b));
}
V16_INLINE int v16_any_less(v16 x, v16 y)
{
    return (_mm256_movemask_ps(_mm256_cmp_ps(x.a, y.a, _CMP_NGE_UQ)) |
            _mm256_movemask_ps(_mm256_cmp_ps(x.b, y.b, _CMP_NGE_UQ))) != 0;
}
V16_INLINE void v16_store_u8(uint8_t *p, v16 x)
{
    const __m256i w = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    const __m256i s = _mm256_permute4x64_epi64(w, 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi16(_mm256_castsi256_si128(s),
                                                            _mm256_extracti128_si256(s, 1)));
}
V16_INLINE __m256 v16_load_s8x8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
V16_INLINE v16 v16_load_s8(const int8_t *p)
{
    return V16_BOTH(v16_load_s8x8(p), v16_load_s8x8(p + 8));
}
V16_INLINE __m256 v16_load_f16x8(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
V16_INLINE v16 v16_load_f16(const uint16_t *p)
{
    return V16_BOTH(v16_load_f16x8(p), v16_load_f16x8(p + 8));
}
V16_INLINE __m256 v16_load_s32x8(const int32_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
V16_INLINE v16 v16_load_s32(const int32_t *p)
{
    return V16_BOTH(v16_load_s32x8(p), v16_load_s32x8(p + 8));
}
V16_INLINE float v16_sum(v16 x)
{
    const __m256 e = _mm256_add_ps(x.a, x.b);
    const __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}

#else

#include "base/dtype.h"

typedef struct v16 {
    float f[16];
} v16;

#define V16_EACH(result, expression)                                                           \
    do {                                                                                       \
        _Pragma("GCC unroll 1")                                                                \
        for (int i = 0; i < 16; i++) (result).f[i] = (expression);                             \
    } while (0)

V16_INLINE v16 v16_set(float x)
{
    v16 r;
    V16_EACH(r, x);
    return r;
}
V16_INLINE v16 v16_load(const float *p)
{
    v16 r;
    memcpy(r.f, p, sizeof r.f);
    return r;
}
V16_INLINE void v16_store(float *p, v16 x) { memcpy(p, x.f, sizeof x.f); }
V16_INLINE v16 v16_loadn(const float *p, size_t n)
{
    v16 r = { { 0 } };
    memcpy(r.f, p, (n < 16 ? n : 16) * sizeof *p);
    return r;
}
V16_INLINE void v16_storen(float *p, v16 x, size_t n)
{
    memcpy(p, x.f, (n < 16 ? n : 16) * sizeof *p);
}
V16_INLINE v16 v16_add(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] + b.f[i]);
    return r;
}
V16_INLINE v16 v16_sub(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] - b.f[i]);
    return r;
}
V16_INLINE v16 v16_mul(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] * b.f[i]);
    return r;
}
V16_INLINE v16 v16_div(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] / b.f[i]);
    return r;
}
V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    v16 r;
    V16_EACH(r, fmaf(a.f[i], b.f[i], c.f[i]));
    return r;
}
/* As the instructions have it: b where either is NaN. */
V16_INLINE v16 v16_max(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] > b.f[i] ? a.f[i] : b.f[i]);
    return r;
}
V16_INLINE v16 v16_min(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, a.f[i] < b.f[i] ? a.f[i] : b.f[i]);
    return r;
}
V16_INLINE v16 v16_round(v16 a)
{
    v16 r;
    V16_EACH(r, nearbyintf(a.f[i]));
    return r;
}
V16_INLINE v16 v16_abs(v16 a)
{
    v16 r;
    V16_EACH(r, fabsf(a.f[i]));
    return r;
}
V16_INLINE v16 v16_exp2i(v16 a)
{
    v16 r;
    for (int i = 0; i < 16; i++) {
        const float whole = isnan(a.f[i]) ? 0.0f : a.f[i];
        const uint32_t bits = (uint32_t)((int32_t)whole + 127) << 23;
        memcpy(&r.f[i], &bits, sizeof bits);
    }
    return r;
}
V16_INLINE v16 v16_pick8(const float table[16], v16 index)
{
    v16 r;
    for (int i = 0; i < 16; i++) {
        uint32_t bits;
        memcpy(&bits, &index.f[i], sizeof bits);
        r.f[i] = table[bits & 7];
    }
    return r;
}
V16_INLINE v16 v16_unnan(v16 a, v16 b)
{
    v16 r;
    V16_EACH(r, isnan(a.f[i]) ? b.f[i] : a.f[i]);
    return r;
}
V16_INLINE v16 v16_tail(v16 a, v16 x, size_t n)
{
    v16 r;
    V16_EACH(r, (size_t)i < n ? a.f[i] : x.f[i]);
    return r;
}
V16_INLINE int v16_any_less(v16 a, v16 b)
{
    int any = 0;
    for (int i = 0; i < 16; i++) any |= !(a.f[i] >= b.f[i]);
    return any;
}
V16_INLINE void v16_store_u8(uint8_t *p, v16 x)
{
    for (int i = 0; i < 16; i++) p[i] = (uint8_t)x.f[i];
}
V16_INLINE v16 v16_load_s8(const int8_t *p)
{
    v16 r;
    V16_EACH(r, (float)p[i]);
    return r;
}
V16_INLINE v16 v16_load_f16(const uint16_t *p)
{
    v16 r;
    V16_EACH(r, rk_f16_to_f32(p[i]));
    return r;
}
V16_INLINE v16 v16_load_s32(const int32_t *p)
{
    v16 r;
    V16_EACH(r, (float)p[i]);
    return r;
}
V16_INLINE float v16_sum(v16 x)
{
    for (int step = 8; step > 0; step /= 2)
        for (int i = 0; i < step; i++) x.f[i] += x.f[i + step];
    return x.f[0];
}

#endif

/* n bytes (at most 16) of x, whole numbers in 0 .. 255 */
V16_INLINE void v16_store_u8n(uint8_t *p, v16 x, size_t n)
{
    uint8_t all[16];

    if (n >= V16) {
        v16_store_u8(p, x);
        return;
    }
    v16_store_u8(all, x);
    memcpy(p, all, n);
}

V16_INLINE v16 v16_load_s8n(const int8_t *p, size_t n)
{
    int8_t all[16] = { 0 };

    if (n >= V16) return v16_load_s8(p);
    memcpy(all, p, n);
    return v16_load_s8(all);
}

V16_INLINE v16 v16_load_f16n(const uint16_t *p, size_t n)
{
    uint16_t all[16] = { 0 };

    if (n >= V16) return v16_load_f16(p);
    memcpy(all, p, n * sizeof *p);
    return v16_load_f16(all);
}

#if !defined(__AVX512F__)
V16_INLINE v16 v16_load_bf16(const uint16_t *p)
{
    uint32_t bits[16];
    float f[16];

    for (int i = 0; i < 16; i++) bits[i] = (uint32_t)p[i] << 16;
    memcpy(f, bits, sizeof f);
    return v16_load(f);
}
V16_INLINE void v16_store_bf16(uint16_t *p, v16 x)
{
    float f[16];
    uint32_t b[16];

    v16_store(f, x);
    memcpy(b, f, sizeof b);
    for (int i = 0; i < 16; i++) {
        const uint32_t near = (b[i] + 0x7fffu + (b[i] >> 16 & 1u)) >> 16;
        p[i] = (uint16_t)((b[i] & 0x7fffffffu) > 0x7f800000u ? (b[i] >> 16 | 0x40u) : near);
    }
}
#endif

V16_INLINE v16 v16_load_bf16n(const uint16_t *p, size_t n)
{
    uint16_t all[16] = { 0 };

    if (n >= V16) return v16_load_bf16(p);
    memcpy(all, p, n * sizeof *p);
    return v16_load_bf16(all);
}

/* n bfloat16 of x, to nearest, ties to even; NaN stays NaN */
V16_INLINE void v16_store_bf16n(uint16_t *p, v16 x, size_t n)
{
    uint16_t all[16];

    if (n >= V16) {
        v16_store_bf16(p, x);
        return;
    }
    v16_store_bf16(all, x);
    memcpy(p, all, n * sizeof *p);
}

V16_INLINE float v16_largest(v16 x)
{
    float all[16], m;

    v16_store(all, x);
    m = all[0];
    for (int i = 1; i < 16; i++) m = all[i] > m ? all[i] : m;
    return m;
}

#endif

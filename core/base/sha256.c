/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const guint32 round_constants[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
    0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
    0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The same of the square roots of the first 8. */
static const guint32 initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline guint32
rotate(guint32 x, guint n)
{
    return x >> n | x << (32 - n);
}

/* W[t] = big-endian words of the block, then s1(W[t-2]) + W[t-7] + s0(W[t-15]) + W[t-16] */
static void
expand(const guint8 *block, guint32 w[64])
{
    for (guint t = 0; t < 16; t++) {
        memcpy(&w[t], block + 4 * t, sizeof w[t]);
        w[t] = GUINT32_FROM_BE(w[t]);
    }
    for (guint t = 16; t < 64; t++) {
        guint32 s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        guint32 s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

static void
compress_plain(guint32 state[8], const guint8 *blocks, gsize n_blocks)
{
    guint32 w[64], v[8];

    for (; n_blocks > 0; n_blocks--, blocks += DINOR1_SHA256_BLOCK) {
        expand(blocks, w);
        memcpy(v, state, sizeof v); /* a b c d e f g h */
        for (guint t = 0; t < 64; t++) {
            guint32 e = v[4], a = v[0];
            guint32 choice = (e & v[5]) ^ (~e & v[6]), majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
            guint32 t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + round_constants[t] + w[t];
            guint32 t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;

            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (guint i = 0; i < 8; i++)
            state[i] += v[i];
    }
}

#if defined(__x86_64__)
static gboolean
have_instructions(void)
{
    guint eax, ebx, ecx, edx;

    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_SSE4_1) &&
           __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA);
}

/* sha256rnds2 makes two rounds of the state in the order abef and cdgh (a and c in the highest lane). What it returns
 * is the new abef; the old abef is the new cdgh. */
__attribute__((target("sha,sse4.1"))) static void
compress_x86(guint32 state[8], const guint8 *blocks, gsize n_blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_setr_epi32(state[5], state[4], state[1], state[0]);
    __m128i cdgh = _mm_setr_epi32(state[7], state[6], state[3], state[2]);
    guint32 lanes[8];

    for (; n_blocks > 0; n_blocks--, blocks += DINOR1_SHA256_BLOCK) {
        const __m128i old_abef = abef, old_cdgh = cdgh;
        __m128i w[4]; /* the last 16 words of the schedule */

        for (guint i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)blocks + i), big_endian);
#pragma GCC unroll 16
        for (guint i = 0; i < 16; i++) {
            const __m128i k = _mm_loadu_si128((const __m128i *)round_constants + i);
            const __m128i wk = _mm_add_epi32(w[i % 4], k);
            const __m128i before = w[(i + 3) % 4]; /* W[t-4 … t-1] of the words that replace w[i % 4] */

            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
            w[i % 4] = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
            w[i % 4] = _mm_add_epi32(w[i % 4], _mm_alignr_epi8(before, w[(i + 2) % 4], 4));
            w[i % 4] = _mm_sha256msg2_epu32(w[i % 4], before);
        }
        abef = _mm_add_epi32(abef, old_abef);
        cdgh = _mm_add_epi32(cdgh, old_cdgh);
    }
    _mm_storeu_si128((__m128i *)lanes, abef); /* f e b a h g d c */
    _mm_storeu_si128((__m128i *)lanes + 1, cdgh);
    memcpy(state, (guint32[]){lanes[3], lanes[2], lanes[7], lanes[6], lanes[1], lanes[0], lanes[5], lanes[4]},
        sizeof lanes);
}
#endif

void
dinor1_sha256_init(DinoR1Sha256 *sha, gboolean plain)
{
    *sha = (DinoR1Sha256){.compress = compress_plain};
    memcpy(sha->state, initial_state, sizeof sha->state);
#if defined(__x86_64__)
    if (!plain && have_instructions())
        sha->compress = compress_x86;
#endif
}

void
dinor1_sha256_update(DinoR1Sha256 *sha, gconstpointer data, gsize size)
{
    const guint8 *bytes = data;
    gsize fill = sha->size % DINOR1_SHA256_BLOCK;

    if (size == 0)
        return;
    sha->size += size;
    if (fill > 0) {
        gsize n = MIN(size, DINOR1_SHA256_BLOCK - fill);

        memcpy(sha->rest + fill, bytes, n);
        bytes += n;
        size -= n;
        if (fill + n < DINOR1_SHA256_BLOCK)
            return;
        sha->compress(sha->state, sha->rest, 1);
    }
    sha->compress(sha->state, bytes, size / DINOR1_SHA256_BLOCK);
    memcpy(sha->rest, bytes + size / DINOR1_SHA256_BLOCK * DINOR1_SHA256_BLOCK, size % DINOR1_SHA256_BLOCK);
}

/* The message is followed by a 1 bit, zeros, and its length in bits, big-endian, at the end of a block. */
gchar *
dinor1_sha256_finish(DinoR1Sha256 *sha)
{
    static const guint8 padding[DINOR1_SHA256_BLOCK] = {0x80};
    guint64 n_bits = GUINT64_TO_BE(sha->size * 8);
    gsize fill = sha->size % DINOR1_SHA256_BLOCK;
    gchar hex[65];

    dinor1_sha256_update(sha, padding, (fill < 56 ? 56 : 120) - fill);
    dinor1_sha256_update(sha, &n_bits, sizeof n_bits);
    for (guint i = 0; i < 8; i++)
        g_snprintf(hex + 8 * i, 9, "%08x", sha->state[i]);
    return g_strdup(hex);
}

/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/rng.h"

#include <math.h>

#define ROUNDS 10

DinoR1Rng
dinor1_rng_new(guint64 seed, guint64 stream)
{
    return (DinoR1Rng){seed, stream, 0};
}

static void
philox_round(guint32 counter[4], const guint32 key[2])
{
    const guint64 a = (guint64)0xD2511F53u * counter[0], b = (guint64)0xCD9E8D57u * counter[2];
    const guint32 c1 = counter[1], c3 = counter[3];

    counter[0] = (guint32)(b >> 32) ^ c1 ^ key[0];
    counter[1] = (guint32)b;
    counter[2] = (guint32)(a >> 32) ^ c3 ^ key[1];
    counter[3] = (guint32)a;
}

/* The block of four numbers at @block of a stream. */
static void
philox(const DinoR1Rng *rng, guint64 block, guint32 out[4])
{
    guint32 key[2] = {(guint32)rng->seed, (guint32)(rng->seed >> 32)};

    out[0] = (guint32)block;
    out[1] = (guint32)(block >> 32);
    out[2] = (guint32)rng->stream;
    out[3] = (guint32)(rng->stream >> 32);
    for (gint i = 0; i < ROUNDS; i++) {
        philox_round(out, key);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
}

guint32
dinor1_rng_u32(DinoR1Rng *rng)
{
    guint32 block[4];

    philox(rng, rng->position / 4, block);
    return block[rng->position++ % 4];
}

gfloat
dinor1_rng_uniform(DinoR1Rng *rng)
{
    return (gfloat)(dinor1_rng_u32(rng) >> 8) * 0x1p-24f;
}

guint32
dinor1_rng_below(DinoR1Rng *rng, guint32 n)
{
    const guint32 unfair = (guint32)(-n) % n; /* 2^32 mod n: numbers below it would favour the first results */
    guint32 x;

    do
        x = dinor1_rng_u32(rng);
    while (x < unfair);
    return x % n;
}

gfloat
dinor1_rng_normal(DinoR1Rng *rng)
{
    const gdouble u = 1.0 - (gdouble)dinor1_rng_uniform(rng), v = (gdouble)dinor1_rng_uniform(rng);

    return (gfloat)(sqrt(-2 * log(u)) * cos(2 * G_PI * v));
}

void
dinor1_rng_shuffle(DinoR1Rng *rng, guint32 *items, guint n)
{
    for (guint i = 0; i < n; i++)
        items[i] = i;
    for (guint i = n; i > 1; i--) {
        const guint32 j = dinor1_rng_below(rng, i), item = items[i - 1];

        items[i - 1] = items[j];
        items[j] = item;
    }
}

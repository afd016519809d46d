/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/ranks.h"

#include <string.h>

gboolean
dinor1_ranks_sum(const DinoR1TrainRanks *ranks, gfloat *values, gsize n, GError **error)
{
    return !ranks || n == 0 || ranks->sum(ranks->user_data, values, n, error);
}

gboolean
dinor1_ranks_agree(const DinoR1TrainRanks *ranks, GError *mine, GError **error)
{
    g_autoptr(GError) owned = mine;

    if (ranks)
        return ranks->agree(ranks->user_data, mine, error);
    if (!mine)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&owned));
    return FALSE;
}

/* An image's facts as numbers that add up: every rank but its own has zeros. Whole numbers are exact up to 2^24. */
enum { FACT_HEIGHT, FACT_WIDTH, FACT_N_BOXES, FACT_INDEX_HIGH, FACT_INDEX_LOW, N_FACTS };

#define INDEX_BASE 65536

static gfloat *
gather_facts(const DinoR1TrainRanks *ranks, const DinoR1Batch *own, guint n_images, GError **error)
{
    g_autofree gfloat *facts = g_new0(gfloat, (gsize)n_images * N_FACTS);

    for (guint i = 0; i < own->n_images; i++) {
        gfloat *fact = facts + (gsize)(ranks->rank + i * ranks->n_ranks) * N_FACTS;

        fact[FACT_HEIGHT] = (gfloat)own->sizes[i].height;
        fact[FACT_WIDTH] = (gfloat)own->sizes[i].width;
        fact[FACT_N_BOXES] = (gfloat)own->labels[i].n_boxes;
        fact[FACT_INDEX_HIGH] = (gfloat)(own->indices[i] / INDEX_BASE);
        fact[FACT_INDEX_LOW] = (gfloat)(own->indices[i] % INDEX_BASE);
    }
    return dinor1_ranks_sum(ranks, facts, (gsize)n_images * N_FACTS, error) ? g_steal_pointer(&facts) : NULL;
}

/* An image of the canvas's size without boxes stands where there are fewer images than ranks. */
static DinoR1Batch *
from_facts(const gfloat *facts, guint n_images, guint n_with_blanks)
{
    DinoR1Batch *all = dinor1_batch_new(n_with_blanks);

    for (guint i = 0; i < n_with_blanks; i++) {
        const gfloat *fact = facts + (gsize)i * N_FACTS;

        all->labels[i] = (DinoR1ImageLabels){0, g_new0(gfloat, 4), g_new0(guint, 1)};
        if (i >= n_images)
            continue;
        all->sizes[i] = (DinoR1ImageSize){(gint)fact[FACT_HEIGHT], (gint)fact[FACT_WIDTH]};
        all->indices[i] = (guint)fact[FACT_INDEX_HIGH] * INDEX_BASE + (guint)fact[FACT_INDEX_LOW];
        all->labels[i].n_boxes = (guint)fact[FACT_N_BOXES];
        all->labels[i].boxes = g_renew(gfloat, all->labels[i].boxes, MAX(all->labels[i].n_boxes, 1) * (gsize)4);
        all->labels[i].classes = g_renew(guint, all->labels[i].classes, MAX(all->labels[i].n_boxes, 1));
        all->height = MAX(all->height, all->sizes[i].height);
        all->width = MAX(all->width, all->sizes[i].width);
    }
    for (guint i = n_images; i < n_with_blanks; i++)
        all->sizes[i] = (DinoR1ImageSize){all->height, all->width};
    return all;
}

/* All boxes of the batch as one run of (cx, cy, w, h, class): written by their rank, or read after the sum. */
static void
copy_boxes(const DinoR1TrainRanks *ranks, const DinoR1Batch *own, DinoR1Batch *all, gfloat *rows, gboolean write)
{
    for (guint i = 0; i < all->n_images; i++) {
        const DinoR1ImageLabels *from = write && i % ranks->n_ranks == ranks->rank && i / ranks->n_ranks < own->n_images
                                            ? &own->labels[i / ranks->n_ranks]
                                            : NULL;

        for (guint j = 0; j < all->labels[i].n_boxes; j++, rows += 5) {
            if (from) {
                memcpy(rows, from->boxes + (gsize)j * 4, 4 * sizeof *rows);
                rows[4] = (gfloat)from->classes[j];
            } else if (!write) {
                memcpy(all->labels[i].boxes + (gsize)j * 4, rows, 4 * sizeof *rows);
                all->labels[i].classes[j] = (guint)rows[4];
            }
        }
    }
}

static gboolean
exchange_boxes(const DinoR1TrainRanks *ranks, const DinoR1Batch *own, DinoR1Batch *all, GError **error)
{
    g_autofree gfloat *rows = NULL;
    gsize n = 0;

    for (guint i = 0; i < all->n_images; i++)
        n += all->labels[i].n_boxes;
    rows = g_new0(gfloat, MAX(n, 1) * 5);
    copy_boxes(ranks, own, all, rows, TRUE);
    if (!dinor1_ranks_sum(ranks, rows, n * 5, error))
        return FALSE;
    copy_boxes(ranks, own, all, rows, FALSE);
    return TRUE;
}

DinoR1Batch *
dinor1_ranks_exchange_batch(const DinoR1TrainRanks *ranks, DinoR1Batch *own, guint n_images, GError **error)
{
    g_autofree gfloat *facts = gather_facts(ranks, own, n_images, error);
    g_autoptr(DinoR1Batch) all = NULL;

    if (!facts)
        return NULL;
    all = from_facts(facts, n_images, MAX(n_images, ranks->n_ranks));
    if (!exchange_boxes(ranks, own, all, error))
        return NULL;
    dinor1_batch_enlarge(own, all->height, all->width);
    return g_steal_pointer(&all);
}

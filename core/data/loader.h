/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "data/augment.h"
#include "train/sampling.h"
#include <dinor1/dataset.h>
#include <dinor1/train.h>

G_BEGIN_DECLS

/* Some images of a data set as one training step takes them. */
typedef struct {
    guint n_images;            /* B */
    gint height, width;        /* of the canvas: the largest image's */
    DinoR1ImageSize *sizes;    /* [B] */
    gfloat *pixels;            /* [B, H, W, 3], zeros outside the images (the published padding) */
    DinoR1ImageLabels *labels; /* [B] */
    guint *indices;            /* [B] positions in the data set */
} DinoR1Batch;

/* (transfer full): @n_images images of no size, without pixels and boxes. */
DinoR1Batch *dinor1_batch_new(guint n_images);
void dinor1_batch_free(DinoR1Batch *batch);

/* Gives the batch a canvas of @height x @width, not smaller than its own; to a batch without images, a blank image of
 * that size without boxes. */
void dinor1_batch_enlarge(DinoR1Batch *batch, gint height, gint width);

typedef struct {
    guint batch_size;
    guint group;         /* images that stay together when shuffled; 0 is 1 */
    guint n_workers;     /* threads that decode ahead; 0 = decode when asked */
    guint rank, n_ranks; /* of every batch this process takes the images rank, rank + n_ranks, ... */
    guint64 seed;
    gboolean shuffle;
    gboolean skip_bad; /* in place of an image that cannot be decoded take the next of the data set that can */
    DinoR1AugmentOptions augment;
} DinoR1LoaderOptions;

/* Decodes, augments and packs the batches of a data set, a few ahead of their use. What a batch holds depends on seed,
 * epoch and number alone, not on threads or on what was asked for before. */
typedef struct _DinoR1Loader DinoR1Loader;

/* Borrows @config; holds @coco. @frames is called from the workers. */
DinoR1Loader *dinor1_loader_new(
    DinoR1Coco *coco, const DinoR1Config *config, const DinoR1LoaderOptions *options, const DinoR1FrameSource *frames);
void dinor1_loader_free(DinoR1Loader *loader);

/* Batches of an epoch: the last one may be smaller. */
guint dinor1_loader_get_n_batches(const DinoR1Loader *loader);
/* Images of batch @number over all ranks. */
guint dinor1_loader_get_batch_size(const DinoR1Loader *loader, guint number);

/* As large as batches get: the canvas of the largest one, and the most of the others in any. */
typedef struct {
    guint n_images;
    gint height, width;
    guint n_boxes; /* of an image */
    guint n_classes;
} DinoR1BatchExtent;

/* Of the first @n_epochs, by what the annotations say of the pictures' sizes: nothing is decoded. */
void dinor1_loader_find_extent(const DinoR1Loader *loader, guint n_epochs, DinoR1BatchExtent *extent);

/* Returns: (transfer full): batch @number of @epoch, or NULL with an error that names the image. Best called in order.
 */
DinoR1Batch *dinor1_loader_get(DinoR1Loader *loader, guint epoch, guint number, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Batch, dinor1_batch_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Loader, dinor1_loader_free)

G_END_DECLS

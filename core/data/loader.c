/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "data/loader.h"

#include <string.h>

/* Batches decoded ahead per worker. */
#define AHEAD 2

typedef struct {
    guint epoch, number;
    DinoR1Batch *batch; /* NULL until done, or failed */
    GError *error;
    gboolean done;
} Job;

struct _DinoR1Loader {
    DinoR1Coco *coco;
    const DinoR1Config *config;
    DinoR1LoaderOptions options;
    DinoR1FrameSource frames;
    GThreadPool *workers; /* NULL = decode when asked */
    GMutex mutex;
    GCond finished;
    GQueue jobs; /* Job, in the order of use; guarded by the mutex */
};

DinoR1Batch *
dinor1_batch_new(guint n_images)
{
    DinoR1Batch *batch = g_new0(DinoR1Batch, 1);

    batch->n_images = n_images;
    batch->sizes = g_new0(DinoR1ImageSize, MAX(n_images, 1));
    batch->labels = g_new0(DinoR1ImageLabels, MAX(n_images, 1));
    batch->indices = g_new0(guint, MAX(n_images, 1));
    return batch;
}

void
dinor1_batch_free(DinoR1Batch *batch)
{
    if (!batch)
        return;
    for (guint i = 0; i < batch->n_images; i++) {
        g_free(batch->labels[i].boxes);
        g_free(batch->labels[i].classes);
    }
    g_free(batch->labels);
    g_free(batch->sizes);
    g_free(batch->pixels);
    g_free(batch->indices);
    g_free(batch);
}

void
dinor1_batch_enlarge(DinoR1Batch *batch, gint height, gint width)
{
    const gsize from = (gsize)batch->width * 3, to = (gsize)width * 3;
    const guint n_images = MAX(batch->n_images, 1);
    gfloat *pixels;

    if (batch->n_images == n_images && batch->height == height && batch->width == width)
        return;
    pixels = g_new0(gfloat, to * (gsize)height * n_images);
    for (guint i = 0; i < batch->n_images; i++)
        for (gint y = 0; y < batch->height; y++)
            memcpy(pixels + ((gsize)i * (gsize)height + (gsize)y) * to,
                batch->pixels + ((gsize)i * (gsize)batch->height + (gsize)y) * from, from * sizeof *pixels);
    if (batch->n_images == 0)
        batch->sizes[0] = (DinoR1ImageSize){height, width};
    g_free(batch->pixels);
    batch->pixels = pixels;
    batch->n_images = n_images;
    batch->height = height;
    batch->width = width;
}

/* One decoded picture and what is to be done to it. */
typedef struct {
    DinoR1Image image;
    gpointer memory;
    DinoR1Augmentation augmentation;
} Picture;

static guint64
stream_of(guint epoch, guint image)
{
    return (guint64)epoch << 32 | image;
}

/* The images of a batch: positions in the data set. The order of an epoch is one shuffle of the groups that every
 * process repeats; what is left over after the last whole group comes at the end. */
static guint32 *
order_images(const DinoR1Loader *loader, guint epoch)
{
    const guint n = dinor1_coco_get_n_images(loader->coco), group = MAX(loader->options.group, 1), n_groups = n / group;
    guint32 *order = g_new(guint32, MAX(n, 1));
    g_autofree guint32 *groups = g_new(guint32, MAX(n_groups, 1));
    DinoR1Rng rng = dinor1_rng_new(loader->options.seed ^ 0x9e3779b97f4a7c15u, epoch);

    for (guint i = 0; i < n; i++)
        order[i] = i;
    if (!loader->options.shuffle)
        return order;
    dinor1_rng_shuffle(&rng, groups, n_groups);
    for (guint i = 0; i < n_groups * group; i++)
        order[i] = groups[i / group] * group + i % group;
    return order;
}

static void
choose_images(const DinoR1Loader *loader, guint epoch, guint number, GArray *chosen)
{
    const guint n = dinor1_coco_get_n_images(loader->coco), batch = loader->options.batch_size;
    g_autofree guint32 *order = order_images(loader, epoch);

    for (guint i = number * batch + loader->options.rank; i < MIN(n, (number + 1) * batch);
         i += loader->options.n_ranks)
        g_array_append_val(chosen, order[i]);
}

static gboolean
decode(const DinoR1Loader *loader, guint epoch, guint index, Picture *picture, GError **error)
{
    const DinoR1CocoImage *image = dinor1_coco_get_image(loader->coco, index);
    DinoR1Rng rng = dinor1_rng_new(loader->options.seed, stream_of(epoch, index));

    if (!loader->frames.decode(loader->frames.user_data, image->file_name, &picture->image, &picture->memory, error)) {
        g_prefix_error(error, "image %" G_GINT64_FORMAT ": ", image->id);
        return FALSE;
    }
    picture->augmentation = dinor1_augment_draw(
        &loader->options.augment, loader->config, picture->image.width, picture->image.height, &rng);
    return TRUE;
}

/* With skip_bad a batch keeps its size whatever cannot be read. @index: the image, or what stands in for it. The error
 * is the first one's. */
static gboolean
decode_any(const DinoR1Loader *loader, guint epoch, guint *index, Picture *picture, GError **error)
{
    const guint n = dinor1_coco_get_n_images(loader->coco), n_tries = loader->options.skip_bad ? n : 1;
    g_autoptr(GError) reason = NULL;

    for (guint i = 0; i < n_tries; i++) {
        const guint other = (*index + i) % n;

        if (decode(loader, epoch, other, picture, reason ? NULL : &reason)) {
            *index = other;
            return TRUE;
        }
    }
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* The boxes that are left, scaled where the annotations' picture size is not the decoded one's. Crowds are no example
 * of anything and are left out. */
static void
label(const DinoR1Loader *loader, guint index, const Picture *picture, DinoR1ImageLabels *labels)
{
    const DinoR1CocoImage *image = dinor1_coco_get_image(loader->coco, index);
    const gdouble sx = image->width > 0 ? (gdouble)picture->image.width / image->width : 1;
    const gdouble sy = image->height > 0 ? (gdouble)picture->image.height / image->height : 1;
    guint n;
    const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(loader->coco, index, &n);

    labels->boxes = g_new(gfloat, MAX(n, 1) * 4);
    labels->classes = g_new(guint, MAX(n, 1));
    labels->n_boxes = 0;
    for (guint i = 0; i < n; i++) {
        const DinoR1CocoBox *box = &annotations[i].box;
        const DinoR1Box scaled = {
            (gfloat)(box->x * sx), (gfloat)(box->y * sy), (gfloat)(box->width * sx), (gfloat)(box->height * sy)};

        if (!dinor1_coco_is_object(&annotations[i]) ||
            !dinor1_augment_box(&picture->augmentation, &scaled, labels->boxes + 4 * (gsize)labels->n_boxes))
            continue;
        labels->classes[labels->n_boxes++] = annotations[i].category;
    }
}

static gboolean
pack(const DinoR1Loader *loader, const Picture *pictures, DinoR1Batch *batch, GError **error)
{
    g_autoptr(DinoR1Preprocess) preprocess = dinor1_preprocess_new();
    const gsize stride = (gsize)batch->width * 3, image_size = stride * (gsize)batch->height;

    batch->pixels = g_new0(gfloat, image_size * batch->n_images);
    for (guint i = 0; i < batch->n_images; i++) {
        if (!dinor1_augment_pixels(&pictures[i].augmentation, loader->config, preprocess, &pictures[i].image,
                batch->pixels + i * image_size, stride, error))
            return FALSE;
    }
    return TRUE;
}

static DinoR1Batch *
load(const DinoR1Loader *loader, guint epoch, guint number, GError **error)
{
    g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(DinoR1Batch) batch = NULL;
    g_autofree Picture *pictures = NULL;
    gboolean ok = TRUE;

    choose_images(loader, epoch, number, chosen);
    batch = dinor1_batch_new(chosen->len);
    for (guint i = 0; i < chosen->len; i++)
        batch->indices[i] = g_array_index(chosen, guint, i);
    pictures = g_new0(Picture, MAX(chosen->len, 1));
    for (guint i = 0; ok && i < chosen->len; i++) {
        ok = decode_any(loader, epoch, &batch->indices[i], &pictures[i], error);
        if (!ok)
            break;
        label(loader, batch->indices[i], &pictures[i], &batch->labels[i]);
        batch->sizes[i] = (DinoR1ImageSize){pictures[i].augmentation.height, pictures[i].augmentation.width};
        batch->height = MAX(batch->height, batch->sizes[i].height);
        batch->width = MAX(batch->width, batch->sizes[i].width);
    }
    ok = ok && pack(loader, pictures, batch, error);
    for (guint i = 0; i < chosen->len; i++)
        g_free(pictures[i].memory);
    return ok ? g_steal_pointer(&batch) : NULL;
}

static void
work(gpointer data, gpointer user_data)
{
    DinoR1Loader *loader = user_data;
    Job *job = data;
    GError *error = NULL;
    DinoR1Batch *batch = load(loader, job->epoch, job->number, &error);

    g_mutex_lock(&loader->mutex);
    job->batch = batch;
    job->error = error;
    job->done = TRUE;
    g_cond_broadcast(&loader->finished);
    g_mutex_unlock(&loader->mutex);
}

DinoR1Loader *
dinor1_loader_new(
    DinoR1Coco *coco, const DinoR1Config *config, const DinoR1LoaderOptions *options, const DinoR1FrameSource *frames)
{
    DinoR1Loader *loader = g_new0(DinoR1Loader, 1);

    loader->coco = dinor1_coco_ref(coco);
    loader->config = config;
    loader->options = *options;
    loader->options.n_ranks = MAX(options->n_ranks, 1);
    loader->frames = *frames;
    g_mutex_init(&loader->mutex);
    g_cond_init(&loader->finished);
    g_queue_init(&loader->jobs);
    if (options->n_workers > 0)
        loader->workers = g_thread_pool_new(work, loader, (gint)options->n_workers, FALSE, NULL);
    return loader;
}

static void
job_free(gpointer data)
{
    Job *job = data;

    dinor1_batch_free(job->batch);
    g_clear_error(&job->error);
    g_free(job);
}

/* Drops the jobs that were not asked for after all. */
static void
drop_jobs(DinoR1Loader *loader)
{
    g_mutex_lock(&loader->mutex);
    for (GList *item = loader->jobs.head; item; item = item->next)
        while (!((Job *)item->data)->done)
            g_cond_wait(&loader->finished, &loader->mutex);
    g_queue_clear_full(&loader->jobs, job_free);
    g_mutex_unlock(&loader->mutex);
}

void
dinor1_loader_free(DinoR1Loader *loader)
{
    if (!loader)
        return;
    drop_jobs(loader);
    if (loader->workers)
        g_thread_pool_free(loader->workers, FALSE, TRUE);
    g_mutex_clear(&loader->mutex);
    g_cond_clear(&loader->finished);
    dinor1_coco_unref(loader->coco);
    g_free(loader);
}

guint
dinor1_loader_get_n_batches(const DinoR1Loader *loader)
{
    const guint n = dinor1_coco_get_n_images(loader->coco);

    return (n + loader->options.batch_size - 1) / loader->options.batch_size;
}

guint
dinor1_loader_get_batch_size(const DinoR1Loader *loader, guint number)
{
    const guint n = dinor1_coco_get_n_images(loader->coco), first = number * loader->options.batch_size;

    return first < n ? MIN(n - first, loader->options.batch_size) : 0;
}

/* Fills the queue from (epoch, number) on. */
static void
order_ahead(DinoR1Loader *loader, guint epoch, guint number)
{
    const guint n_batches = dinor1_loader_get_n_batches(loader);
    Job *last = g_queue_peek_tail(&loader->jobs);

    if (last) {
        epoch = last->epoch;
        number = last->number + 1;
    }
    while (g_queue_get_length(&loader->jobs) < AHEAD * loader->options.n_workers) {
        Job *job = g_new0(Job, 1);

        if (number >= n_batches) {
            number = 0;
            epoch++;
        }
        job->epoch = epoch;
        job->number = number++;
        g_queue_push_tail(&loader->jobs, job);
        g_thread_pool_push(loader->workers, job, NULL);
    }
}

DinoR1Batch *
dinor1_loader_get(DinoR1Loader *loader, guint epoch, guint number, GError **error)
{
    Job *job = g_queue_peek_head(&loader->jobs);
    DinoR1Batch *batch;

    if (!loader->workers)
        return load(loader, epoch, number, error);
    if (job && (job->epoch != epoch || job->number != number))
        drop_jobs(loader);
    g_mutex_lock(&loader->mutex);
    order_ahead(loader, epoch, number);
    job = g_queue_pop_head(&loader->jobs);
    while (!job->done)
        g_cond_wait(&loader->finished, &loader->mutex);
    g_mutex_unlock(&loader->mutex);
    batch = g_steal_pointer(&job->batch);
    if (job->error)
        g_propagate_error(error, g_steal_pointer(&job->error));
    job_free(job);
    return batch;
}

/* What augmentation makes of an image. One whose size the annotations do not say may become as large as any. */
static void
find_size(const DinoR1Loader *loader, guint epoch, guint index, gint *width, gint *height)
{
    const DinoR1CocoImage *image = dinor1_coco_get_image(loader->coco, index);
    DinoR1Rng rng = dinor1_rng_new(loader->options.seed, stream_of(epoch, index));
    DinoR1Augmentation augmentation;

    *width = *height = loader->options.augment.longest;
    if (image->width < 1 || image->height < 1)
        return;
    augmentation = dinor1_augment_draw(&loader->options.augment, loader->config, image->width, image->height, &rng);
    *width = augmentation.width;
    *height = augmentation.height;
}

/* Adds an image's boxes to @extent, and its classes to @seen. */
static void
add_labels(const DinoR1Loader *loader, guint index, GHashTable *seen, DinoR1BatchExtent *extent)
{
    guint n, n_boxes = 0;
    const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(loader->coco, index, &n);

    for (guint i = 0; i < n; i++) {
        if (!dinor1_coco_is_object(&annotations[i]))
            continue;
        g_hash_table_add(seen, GUINT_TO_POINTER(annotations[i].category));
        n_boxes++;
    }
    extent->n_boxes = MAX(extent->n_boxes, n_boxes);
    extent->n_classes = MAX(extent->n_classes, g_hash_table_size(seen));
}

/* This process's part of the canvas; the labels of all. */
static void
add_batch(const DinoR1Loader *loader, guint epoch, const guint32 *images, guint n, DinoR1BatchExtent *extent)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    gint width = 0, height = 0, w, h;
    guint n_mine = 0;

    for (guint i = 0; i < n; i++) {
        add_labels(loader, images[i], seen, extent);
        if (i % loader->options.n_ranks != loader->options.rank)
            continue;
        find_size(loader, epoch, images[i], &w, &h);
        width = MAX(width, w);
        height = MAX(height, h);
        n_mine++;
    }
    if ((guint64)n_mine * (guint64)width * (guint64)height <=
        (guint64)extent->n_images * (guint64)extent->width * (guint64)extent->height)
        return;
    extent->n_images = n_mine;
    extent->width = width;
    extent->height = height;
}

void
dinor1_loader_find_extent(const DinoR1Loader *loader, guint n_epochs, DinoR1BatchExtent *extent)
{
    const guint n = dinor1_coco_get_n_images(loader->coco), batch = loader->options.batch_size;

    *extent = (DinoR1BatchExtent){0};
    for (guint epoch = 0; epoch < n_epochs; epoch++) {
        g_autofree guint32 *order = order_images(loader, epoch);

        for (guint i = 0; i < n; i += batch)
            add_batch(loader, epoch, order + i, MIN(batch, n - i), extent);
    }
}

/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/api.h>
#include <dinor1/dataset.h>
#include <dinor1/image.h>
#include <dinor1/model.h>

G_BEGIN_DECLS

/* Where the pictures of a data set come from: the caller decodes. */
typedef struct {
    /* Fills @image with the picture that a COCO file_name means, as DINOR1_PIXEL_RGB; @memory (out) owns its pixels and
     * is freed with g_free(). FALSE with an error that names the file. Must be callable from several threads. */
    gboolean (*decode)(
        gpointer user_data, const gchar *file_name, DinoR1Image *image, gpointer *memory, GError **error);
    gpointer user_data;
} DinoR1FrameSource;

/* Boxes of one picture: denoising takes memory by their square. */
#define DINOR1_TRAIN_MAX_BOXES 5000

typedef enum {
    DINOR1_TRAIN_MULTI_STEP, /* learning rate × 0.1 at each of the milestones */
    DINOR1_TRAIN_COSINE,
} DinoR1TrainSchedule;

/**
 * DinoR1TrainRanks:
 *
 * The processes (or machines) that train one model together: each takes the images rank, rank + n_ranks, … of every
 * batch, and all have the same weights at every step. The caller transports. Every rank makes the same calls in the
 * same order, so that both functions may wait for the others.
 */
typedef struct {
    guint rank, n_ranks;
    /* Replaces @values by their sums over all ranks: the same bits on every rank. */
    gboolean (*sum)(gpointer user_data, gfloat *values, gsize n, GError **error);
    /* TRUE if no rank brings an error; else FALSE on all of them, with the error of the lowest rank that has one.
     * @mine: (nullable) (transfer none) */
    gboolean (*agree)(gpointer user_data, const GError *mine, GError **error);
    gpointer user_data;
} DinoR1TrainRanks;

/* dinor1_train_options_init() has the specification's numbers for one process and a small data set. */
typedef struct {
    guint64 seed;
    guint n_threads; /* of the CPU; 0 = as many as the machine has */
    guint n_workers; /* threads that decode pictures ahead */
    guint epochs;
    guint batch_size;     /* images of one forward pass, over all ranks */
    guint accumulate;     /* forward passes per update */
    gfloat learning_rate; /* of one update */
    gfloat backbone_multiplier, weight_decay, max_norm;
    guint warmup_steps; /* updates */
    DinoR1TrainSchedule schedule;
    guint milestones[8], n_milestones; /* epochs */
    gfloat average_decay;              /* moving average of the weights; 0 = none */
    const gchar *const *train;         /* globs of parameter names, NULL-terminated; NULL = all. Borrowed during _new */
    gboolean recompute;                /* less memory, more time */
    gboolean denoising;
    gboolean augment;
    guint n_negatives, memory_size;          /* remembered prompts: per step, kept */
    guint grqo_start;                        /* first epoch with GRQO; >= epochs = supervised only */
    gfloat grqo_alpha, grqo_beta, grqo_mute; /* mute: share of the queries without an advantage of their own */
    const DinoR1TrainRanks *ranks;           /* (nullable): NULL = alone; copied */
    gboolean skip_bad;                       /* take the next picture that can be decoded in place of one that cannot */
    gfloat contrastive; /* weight of the vision-language loss where the model has a text encoder; 0 = off */
    /* Where the model is trained: "cpu", "cuda", "cuda:N" or "auto", CUDA's first device if there is one. Borrowed
     * during _new */
    const gchar *device;
    /* How products are computed: "fp32", "tf32", "bf16" (factors of 8 bits; weights, moments, losses and sums stay
     * fp32) or "auto", fp32. What the device does not have is UNSUPPORTED. Borrowed during _new */
    const gchar *precision;
    guint group; /* this many images that follow one another in the data set stay together when it is shuffled */
    gpointer reserved[5];
} DinoR1TrainOptions;

DINOR1_API void dinor1_train_options_init(DinoR1TrainOptions *options);

/**
 * dinor1_model_create:
 * @from: a directory with config.json; its weights are not needed but for a text encoder, which is kept
 * @directory: made if needed
 *
 * Writes a dino-r1 model directory ("trained": false) with random weights, from @seed, as mmdetection's Grounding DINO
 * starts with: for training from nothing. Thread-safe.
 */
DINOR1_API gboolean dinor1_model_create(const gchar *from, guint64 seed, const gchar *directory, GError **error);

/* What one update did, over all ranks. Losses are weighted and means over its forward passes. */
typedef struct {
    guint epoch, step, n_steps; /* step of the epoch, from 0 */
    gdouble loss, loss_class, loss_l1, loss_giou, loss_denoising, loss_advantage, loss_kl;
    gdouble loss_contrastive;        /* 0 without a text encoder */
    gdouble reward_mean, reward_std; /* of the last layer's group; 0 without GRQO */
    gdouble gradient_norm, learning_rate;
    guint n_images, n_boxes, n_prompts;
    gdouble seconds;
} DinoR1TrainReport;

/**
 * DinoR1Trainer:
 *
 * Fine-tunes a dino-r1 model on a data set with the supervised losses and GRQO (spec section 6). Not thread-safe. The
 * same options, data and checkpoint give the same numbers on one kind of device, with any number of threads; a CUDA
 * device adds some gradients in an order that it chooses anew each time.
 */
typedef struct _DinoR1Trainer DinoR1Trainer;

/**
 * dinor1_trainer_new:
 * @model: where to start; a grounding-dino or mm-grounding-dino model becomes a dino-r1 model with a fresh visual
 * prompt encoder, the former with a scale and fresh biases of its logits, too
 * @options: (nullable):
 *
 * Returns: (transfer full): the trainer, before its first step; NULL with ARGUMENT (impossible options, no boxes
 * or too many in a picture, nothing to train) or DEVICE. Holds @model and @data; @frames is copied.
 */
DINOR1_API DinoR1Trainer *dinor1_trainer_new(DinoR1Model *model, DinoR1Coco *data, const DinoR1FrameSource *frames,
    const DinoR1TrainOptions *options, GError **error);
DINOR1_API void dinor1_trainer_free(DinoR1Trainer *trainer);

/* For people: which device it trains on, its memory, and why this one. */
DINOR1_API const gchar *dinor1_trainer_get_device(const DinoR1Trainer *trainer);

/* TRUE when all epochs are done. */
DINOR1_API gboolean dinor1_trainer_is_done(const DinoR1Trainer *trainer);

/**
 * dinor1_trainer_step:
 *
 * One update, on all ranks together; an error of one is an error of all. A loss or gradient that is not finite stops it
 * before anything changes: FAILED, naming the term and the images. An undecodable picture: its own error.
 */
DINOR1_API gboolean dinor1_trainer_step(DinoR1Trainer *trainer, DinoR1TrainReport *report, GError **error);

/**
 * dinor1_trainer_save:
 *
 * Writes everything that is needed to go on, bit for bit, to one file (temporary, synced, renamed).
 */
DINOR1_API gboolean dinor1_trainer_save(const DinoR1Trainer *trainer, const gchar *path, GError **error);

/**
 * dinor1_trainer_resume:
 *
 * Goes on from a file of dinor1_trainer_save() made with the same model configuration, data and options: MISMATCH names
 * the first that differs. Threads, workers and recompute may be others, and so may epochs with the multi-step schedule:
 * the numbers stay the same to the last bit. The device and the number of ranks may be others: the losses then stay the
 * same to 1e-5.
 */
DINOR1_API gboolean dinor1_trainer_resume(DinoR1Trainer *trainer, const gchar *path, GError **error);

/* Writes a model directory that dinor1_model_load() takes: config.json (model_type dino-r1, trained), weights (the
 * moving average if there is one) and the other files of the model it started from. @half: fp16. */
DINOR1_API gboolean dinor1_trainer_export(
    const DinoR1Trainer *trainer, const gchar *directory, gboolean half, GError **error);

/* For people: parameters trained of all. */
DINOR1_API void dinor1_trainer_describe(
    DinoR1Trainer *trainer, guint64 *n_trained, guint64 *n_parameters, guint *n_steps_per_epoch);

/* A part of the model. */
typedef struct {
    const gchar *name; /* static */
    guint64 n_trained, n_parameters;
    gdouble learning_rate; /* before the schedule; 0 = nothing is trained */
} DinoR1TrainPart;

/* (array length=n): the parts that the model has; valid until the next call. */
DINOR1_API const DinoR1TrainPart *dinor1_trainer_get_parts(DinoR1Trainer *trainer, guint *n);

/* What an update takes. */
typedef struct {
    guint64 memory;          /* bytes: of everything that the trainer keeps, with the largest batch */
    guint n_images;          /* of the largest batch */
    gint width, height;      /* of its canvas */
    guint n_boxes, n_tokens; /* an image's, at most; prompts */
    gdouble seconds;         /* of one update, measured */
} DinoR1TrainCost;

/**
 * dinor1_trainer_measure:
 *
 * Plans a step for the largest batch and runs one update's passes, with GRQO if there is to be any, without changing a
 * weight. For a trainer before its first step, which it then still is. The errors are those of dinor1_trainer_step().
 */
DINOR1_API gboolean dinor1_trainer_measure(DinoR1Trainer *trainer, DinoR1TrainCost *cost, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Trainer, dinor1_trainer_free)

G_END_DECLS

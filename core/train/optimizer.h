/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "io/safetensors.h"
#include "train/parameters.h"

G_BEGIN_DECLS

typedef struct {
    gfloat learning_rate;         /* 4e-4 */
    gfloat weight_decay;          /* 1e-4; decoupled (AdamW) */
    gfloat beta1, beta2, epsilon; /* 0.9, 0.999, 1e-8 */
    gfloat max_norm;              /* 0.1: the gradient's global norm is clipped to this; 0 = not */
    gfloat backbone_multiplier;   /* 0.1: learning rate of model.backbone.* and model.text_backbone.* */
    gboolean decay_all;           /* FALSE: no decay on vectors (norms, biases), position tables and embeddings */
} DinoR1OptimizerOptions;

void dinor1_optimizer_options_init(DinoR1OptimizerOptions *options);

/* AdamW (torch.optim.AdamW) over the trainable parameters of a set, on the backend where they are placed: weights,
 * moments and gradients stay there. They are fp32 whatever the precision of the graphs that read the weights. */
typedef struct _DinoR1Optimizer DinoR1Optimizer;

/* @patterns: (nullable): NULL-terminated GPatternSpec globs; only parameters that match one of them are trained; NULL =
 * all. Borrows @parameters, which are placed. NULL with ARGUMENT when nothing matches (names the pattern), or MEMORY.
 */
DinoR1Optimizer *dinor1_optimizer_new(
    DinoR1Parameters *parameters, const DinoR1OptimizerOptions *options, const gchar *const *patterns, GError **error);
void dinor1_optimizer_free(DinoR1Optimizer *optimizer);

gboolean dinor1_optimizer_trains(const DinoR1Optimizer *optimizer, guint parameter);

/* Its share of the learning rate. */
gfloat dinor1_optimizer_get_multiplier(const DinoR1Optimizer *optimizer, guint parameter);

/* One step. @gradients: in the backend's memory by parameter index, NULL = none (that parameter is left alone, its
 * moments too). @rate: what the schedule makes of the learning rate, 1 = as configured. @norm: (out): the global norm
 * before clipping; not finite = nothing was changed. The same bits with any number of threads. */
gboolean dinor1_optimizer_step(
    DinoR1Optimizer *optimizer, const gfloat *const *gradients, gdouble rate, gdouble *norm, GError **error);

/* The state as tensors "optimizer.m.NAME", "optimizer.v.NAME" and the step counter, appended to @tensors (element-type
 * DinoR1StoredTensor, borrowing the optimizer's memory until its next store, their names in @names) and @metadata; and
 * back. */
gboolean dinor1_optimizer_store(
    DinoR1Optimizer *optimizer, GArray *tensors, GStringChunk *names, GHashTable *metadata, GError **error);
gboolean dinor1_optimizer_restore(DinoR1Optimizer *optimizer, const DinoR1Safetensors *file, GError **error);

typedef enum {
    DINOR1_SCHEDULE_MULTI_STEP, /* × 0.1 at each milestone */
    DINOR1_SCHEDULE_COSINE,     /* half a cosine from 1 to final */
} DinoR1ScheduleKind;

typedef struct {
    DinoR1ScheduleKind kind;
    guint n_steps;                     /* of the whole run */
    guint warmup_steps;                /* linear from warmup_start to 1 */
    gdouble warmup_start;              /* 0.1 */
    guint milestones[8], n_milestones; /* steps */
    gdouble decay;                     /* 0.1 */
    gdouble final;                     /* 0 */
} DinoR1Schedule;

/* The factor on the learning rate at @step (from 0): warm-up times schedule. */
gdouble dinor1_schedule_rate(const DinoR1Schedule *schedule, guint step);

/* average = decay * average + (1 - decay) * parameters, with the warm-up decay min(decay, (1 + step) / (10 + step)).
 * Both are placed on the same backend. */
gboolean dinor1_average_update(
    DinoR1Parameters *average, const DinoR1Parameters *parameters, gdouble decay, guint64 step, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Optimizer, dinor1_optimizer_free)

G_END_DECLS

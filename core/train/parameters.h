/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "backend/backend.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "model/config.h"
#include <dinor1/model.h>

G_BEGIN_DECLS

/* The weights that training changes: named fp32 tensors, 64-byte aligned. They are made in host memory and then placed
 * on a backend, where graphs read them and the optimiser changes them. Not thread-safe. */
typedef struct _DinoR1Parameters DinoR1Parameters;

typedef struct {
    const gchar *name;
    DinoR1Shape shape;
    gfloat *data;      /* in host memory; where the backend's is another, the values of the last fetch */
    gfloat *memory;    /* the values on the backend, data itself where that is the host's; NULL = not placed */
    gboolean is_fresh; /* initialised here, not read from the model */
} DinoR1Parameter;

/* @model: (nullable): the checkpoint to start from; what it lacks, or everything without one, is initialised
 * (train/initialise.h) from @seed and the tensor's name alone, so that the order of requests does not matter. Borrows
 * @config. */
DinoR1Parameters *dinor1_parameters_new(const DinoR1Config *config, DinoR1Model *model, guint64 seed);
/* Before any request: of the model's tensors, only the text encoder's are read; all others are initialised. */
void dinor1_parameters_start_fresh(DinoR1Parameters *parameters);
void dinor1_parameters_free(DinoR1Parameters *parameters);

/* A DinoR1WeightFunc; user_data is the DinoR1Parameters. A tensor of the model with another shape is an error. */
gboolean dinor1_parameters_find(
    gpointer parameters, const gchar *name, const DinoR1Shape *shape, DinoR1View *view, GError **error);

guint dinor1_parameters_get_n(const DinoR1Parameters *parameters);
/* By name order once dinor1_parameters_freeze() was called. */
const DinoR1Parameter *dinor1_parameters_get(const DinoR1Parameters *parameters, guint index);
const DinoR1Parameter *dinor1_parameters_lookup(const DinoR1Parameters *parameters, const gchar *name); /* or NULL */
/* No parameter is made after this: a request for an unknown one is an error. */
void dinor1_parameters_freeze(DinoR1Parameters *parameters);

/* Once frozen: from now on the values are in @backend's memory, shared with every program that reads them. It must
 * outlive @parameters. */
gboolean dinor1_parameters_place(DinoR1Parameters *parameters, DinoR1Backend *backend, GError **error);
DinoR1Backend *dinor1_parameters_get_backend(const DinoR1Parameters *parameters); /* NULL = not placed */
/* Brings the host's data up to date, and the other way round; nothing where they are the same memory. */
gboolean dinor1_parameters_fetch(const DinoR1Parameters *parameters, GError **error);
gboolean dinor1_parameters_send(DinoR1Parameters *parameters, GError **error);

/* (transfer full): a frozen deep copy, for the reference model and for the moving average, placed where @parameters
 * are; what it needs of the host is addresses until it is fetched. NULL with MEMORY if there is not enough. */
DinoR1Parameters *dinor1_parameters_copy(const DinoR1Parameters *parameters, GError **error);
/* Overwrites all values where they are placed; both must hold the same tensors. */
gboolean dinor1_parameters_assign(DinoR1Parameters *to, const DinoR1Parameters *from, GError **error);

/* Writes the host's data as model.safetensors in @directory (temporary file, sync, rename) without what only training
 * uses (denoising_label_embedding.weight, decoder heads' second names). @half: as fp16. */
gboolean dinor1_parameters_save(
    const DinoR1Parameters *parameters, const gchar *directory, gboolean half, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DinoR1Parameters, dinor1_parameters_free)

G_END_DECLS

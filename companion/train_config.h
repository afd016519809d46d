/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/train.h>

G_BEGIN_DECLS

/* Annotations in COCO's format and the folder that their file names are in. */
typedef struct {
    gchar *annotations, *images;
} TrainSet;

/* What `dinor1 finetune` is to do: docs/finetune.md describes every key. */
typedef struct {
    gchar *model, *output;
    TrainSet train, validation, heldout; /* the last two may be empty */
    gchar **patterns;                    /* what to train, as typed; options.train holds the globs it means */
    guint max_boxes;                     /* of a training picture; more are bad */
    gchar *device;                       /* options.device is this */
    gchar *precision;                    /* options.precision is this */
    guint save_every;                    /* updates from one checkpoint to the next */
    guint keep;                          /* the last so many checkpoints */
    guint evaluate_every;                /* epochs from one evaluation to the next */
    guint evaluate_prompts;              /* exemplars of each class then */
    gboolean evaluate_first;             /* the starting model, too */
    gboolean from_scratch;               /* start with random weights */
    DinoR1TrainOptions options;
    gchar *path;         /* of the file */
    GHashTable *lines;   /* key or section → its line; 0 = from the command line */
    const gchar **globs; /* options.train */
} TrainConfig;

/**
 * train_config_load:
 * @overrides: (array zero-terminated=1) (nullable): "KEY=VALUE", lists with commas; these paths are relative to the
 *   working directory, those of the file to the file's folder
 *
 * Reads the file, which must be plain YAML, applies the overrides and checks that everything compulsory is there and
 * that the files and folders exist.
 *
 * Returns: (transfer full): the configuration, or NULL with an error that names file, line and key; USAGE_ERROR for a
 * mistake in @overrides.
 */
TrainConfig *train_config_load(const gchar *path, gchar **overrides, GError **error);

/* The part of that without files: @text is the content of a file that would be named @path. */
TrainConfig *train_config_parse(const gchar *path, const gchar *text, gsize length, GError **error);

void train_config_free(TrainConfig *config);

/* (transfer full): the value of key number @index as text and its name; NULL after the last. */
gchar *train_config_describe(const TrainConfig *config, guint index, const gchar **name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrainConfig, train_config_free)

G_END_DECLS

/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "train/run_facts.h"

#include "model/model_internal.h"

#include <string.h>

static void
fact_clear(gpointer data)
{
    g_free(((DinoR1RunFact *)data)->value);
}

static void add(GArray *facts, const gchar *name, const gchar *format, ...) G_GNUC_PRINTF(3, 4);

static void
add(GArray *facts, const gchar *name, const gchar *format, ...)
{
    DinoR1RunFact fact = {name, NULL};
    va_list args;

    va_start(args, format);
    fact.value = g_strdup_vprintf(format, args);
    va_end(args);
    g_array_append_val(facts, fact);
}

/* Exact, in any locale. */
static void
add_number(GArray *facts, const gchar *name, gfloat value)
{
    gchar text[G_ASCII_DTOSTR_BUF_SIZE];

    add(facts, name, "%s", g_ascii_formatd(text, sizeof text, "%.9g", (gdouble)value));
}

static void
update_string(GChecksum *sum, const gchar *text)
{
    g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text) + 1);
}

/* Of all images, boxes and names. */
static gchar *
hash_data(const DinoR1Coco *data)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gchar *hash;

    for (guint i = 0; i < dinor1_coco_get_n_categories(data); i++)
        update_string(sum, dinor1_coco_get_category(data, i)->name);
    for (guint i = 0; i < dinor1_coco_get_n_images(data); i++) {
        guint n;
        const DinoR1CocoAnnotation *annotations = dinor1_coco_get_annotations(data, i, &n);

        update_string(sum, dinor1_coco_get_image(data, i)->file_name);
        for (guint k = 0; k < n; k++) {
            const guint32 kind[3] = {annotations[k].category, annotations[k].crowd, annotations[k].ignore};

            g_checksum_update(sum, (const guchar *)&annotations[k].box, sizeof annotations[k].box);
            g_checksum_update(sum, (const guchar *)kind, sizeof kind);
        }
    }
    hash = g_strndup(g_checksum_get_string(sum), 16);
    g_checksum_free(sum);
    return hash;
}

static void
add_schedule(GArray *facts, const DinoR1TrainOptions *options)
{
    const gboolean is_cosine = options->schedule == DINOR1_TRAIN_COSINE;
    g_autoptr(GString) milestones = g_string_new(NULL);

    add(facts, "warmup_steps", "%u", options->warmup_steps);
    add(facts, "schedule", "%s", is_cosine ? "cosine" : "multi-step");
    if (is_cosine) {
        add(facts, "epochs", "%u", options->epochs);
        return;
    }
    for (guint i = 0; i < options->n_milestones; i++)
        g_string_append_printf(milestones, "%s%u", i ? " " : "", options->milestones[i]);
    add(facts, "milestones", "[%s]", milestones->str);
}

GArray *
dinor1_run_facts(const DinoR1Trainer *trainer)
{
    const DinoR1TrainOptions *options = &trainer->options;
    GArray *facts = g_array_new(FALSE, FALSE, sizeof(DinoR1RunFact));
    g_autofree gchar *data = hash_data(trainer->data);

    g_array_set_clear_func(facts, fact_clear);
    add(facts, "images", "%u", dinor1_coco_get_n_images(trainer->data));
    add(facts, "annotations", "%u", dinor1_coco_get_n_annotations(trainer->data));
    add(facts, "data", "%s", data);
    add(facts, "seed", "%" G_GUINT64_FORMAT, options->seed);
    add(facts, "precision", "%s", trainer->precision.name);
    add(facts, "batch_size", "%u", options->batch_size);
    add(facts, "group", "%u", options->group);
    add(facts, "accumulate", "%u", options->accumulate);
    add_number(facts, "learning_rate", options->learning_rate);
    add_number(facts, "backbone_multiplier", options->backbone_multiplier);
    add_number(facts, "weight_decay", options->weight_decay);
    add_number(facts, "max_norm", options->max_norm);
    add_schedule(facts, options);
    add_number(facts, "average_decay", options->average_decay);
    add(facts, "train", "%s", trainer->patterns);
    add(facts, "denoising", "%d", options->denoising);
    add(facts, "augment", "%d", options->augment);
    add(facts, "negatives", "%u", options->n_negatives);
    add(facts, "memory", "%u", options->memory_size);
    add(facts, "grqo.start", "%u", options->grqo_start);
    add_number(facts, "grqo.alpha", options->grqo_alpha);
    add_number(facts, "grqo.beta", options->grqo_beta);
    add_number(facts, "grqo.mute", options->grqo_mute);
    add_number(facts, "contrastive", trainer->text ? options->contrastive : 0);
    if (trainer->text) /* the names' texts are its text encoder's */
        add(facts, "model", "%.16s", dinor1_model_get_hash(trainer->model));
    return facts;
}

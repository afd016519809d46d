/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "../../companion/train_config.h"
#include "fuzz.h"

/* What the trainer takes for granted. */
static void
check(const TrainConfig *config)
{
    const DinoR1TrainOptions *options = &config->options;
    const gchar *name;

    g_assert(options->batch_size >= 1 && options->accumulate >= 1 && options->epochs >= 1);
    g_assert(options->learning_rate > 0 && options->weight_decay >= 0 && options->max_norm >= 0);
    g_assert(options->average_decay >= 0 && options->average_decay < 1);
    g_assert(options->n_milestones <= G_N_ELEMENTS(options->milestones));
    for (guint i = 1; i < options->n_milestones; i++)
        g_assert(options->milestones[i] > options->milestones[i - 1]);
    g_assert(config->save_every >= 1 && config->keep >= 1 && config->evaluate_every >= 1);
    for (guint i = 0;; i++) {
        g_autofree gchar *text = train_config_describe(config, i, &name);

        if (!text)
            break;
        g_assert(g_utf8_validate(text, -1, NULL));
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TrainConfig) config = train_config_parse("fuzz", (const gchar *)data, size, &error);

    g_assert(!config == !!error);
    g_assert(!error || g_utf8_validate(error->message, -1, NULL));
    if (config)
        check(config);
    return 0;
}

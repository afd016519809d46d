/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fuzz.h"
#include "model/config.h"

/* What the model builder takes for granted. */
static void
check(const DinoR1Config *config)
{
    const DinoR1SwinConfig *swin = &config->backbone;

    g_assert(config->d_model % config->encoder_attention_heads == 0);
    g_assert(config->d_model % config->decoder_attention_heads == 0);
    g_assert(swin->n_stages >= 1 && swin->n_stages <= DINOR1_SWIN_MAX_STAGES);
    g_assert(swin->n_outputs >= 1 && swin->n_outputs <= config->num_feature_levels);
    for (gint i = 0; i < swin->n_stages; i++)
        g_assert((swin->embed_dim << i) % swin->heads[i] == 0);
    for (gint i = 0; i < swin->n_outputs; i++)
        g_assert(swin->outputs[i] > (i ? swin->outputs[i - 1] : 0) && swin->outputs[i] <= swin->n_stages);
    if (config->has_text)
        g_assert(config->text.hidden_size % config->text.n_heads == 0);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DinoR1Config) config = dinor1_config_parse("fuzz", (const gchar *)data, size, &error);

    g_assert(!config == !!error);
    g_assert(!error || g_utf8_validate(error->message, -1, NULL));
    if (config)
        check(config);
    return 0;
}

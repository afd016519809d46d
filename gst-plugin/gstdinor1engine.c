/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstdinor1engine.h"

#include "gstdinor1object.h"

struct _GstDinoR1Engine {
    DinoR1Model *model;
    DinoR1Detector *detector;
    DinoR1PromptBank *bank; /* what the detector was given */
};

void
gst_dinor1_engine_free(GstDinoR1Engine *engine)
{
    g_clear_pointer(&engine->detector, dinor1_detector_free);
    g_clear_pointer(&engine->bank, dinor1_prompt_bank_unref);
    g_clear_pointer(&engine->model, dinor1_model_unref);
    g_free(engine);
}

GstDinoR1Engine *
gst_dinor1_engine_new(const gchar *model, const gchar *prompts, const DinoR1DetectorOptions *options, GError **error)
{
    g_autoptr(GstDinoR1Engine) engine = g_new0(GstDinoR1Engine, 1);

    if (!(engine->model = dinor1_model_load(model, error)))
        return NULL;
    if (!(engine->detector = dinor1_detector_new(engine->model, options, error)))
        return NULL;
    if (!gst_dinor1_engine_load_prompts(engine, prompts, error))
        return NULL;
    return g_steal_pointer(&engine);
}

const gchar *
gst_dinor1_engine_get_device(const GstDinoR1Engine *engine)
{
    return dinor1_detector_get_device(engine->detector);
}

gboolean
gst_dinor1_engine_is_dead(const GstDinoR1Engine *engine)
{
    return dinor1_detector_is_dead(engine->detector);
}

gboolean
gst_dinor1_engine_has_prompts(const GstDinoR1Engine *engine)
{
    return dinor1_prompt_bank_get_n_classes(engine->bank) > 0;
}

void
gst_dinor1_engine_set_limits(GstDinoR1Engine *engine, gfloat threshold, guint max_detections)
{
    dinor1_detector_set_threshold(engine->detector, threshold);
    dinor1_detector_set_max_detections(engine->detector, max_detections);
}

/* Takes @bank over, whether or not it can be used. */
static gboolean
use_bank(GstDinoR1Engine *engine, DinoR1PromptBank *bank, GError **error)
{
    if (!dinor1_detector_set_prompts(engine->detector, bank, error)) {
        dinor1_prompt_bank_unref(bank);
        return FALSE;
    }
    g_clear_pointer(&engine->bank, dinor1_prompt_bank_unref);
    engine->bank = bank;
    return TRUE;
}

gboolean
gst_dinor1_engine_load_prompts(GstDinoR1Engine *engine, const gchar *path, GError **error)
{
    DinoR1PromptBank *bank =
        path ? dinor1_prompt_bank_load(path, engine->model, error) : dinor1_prompt_bank_new(engine->model);

    return bank && use_bank(engine, bank, error);
}

gboolean
gst_dinor1_engine_add_prompt(
    GstDinoR1Engine *engine, const gchar *label, const DinoR1Image *image, const DinoR1Box *box, GError **error)
{
    DinoR1PromptBank *bank = dinor1_prompt_bank_copy(engine->bank);

    if (!dinor1_detector_add_prompt(engine->detector, bank, label, image, box, NULL, error)) {
        dinor1_prompt_bank_unref(bank);
        return FALSE;
    }
    return use_bank(engine, bank, error);
}

gboolean
gst_dinor1_engine_detect(GstDinoR1Engine *engine, const DinoR1Image *image, GArray *objects, GError **error)
{
    DinoR1DetectionList found;

    g_array_set_size(objects, 0);
    if (!dinor1_detector_detect(engine->detector, image, &found, error))
        return FALSE;
    for (guint i = 0; i < found.n_items; i++) {
        const DinoR1Detection *item = &found.items[i];
        GstDinoR1Object object = {
            .label = g_quark_from_string(dinor1_prompt_bank_get_label(engine->bank, item->class_index)),
            .label_id = (gint)item->class_index,
            .score = item->score,
            .box = item->box,
        };

        g_array_append_val(objects, object);
    }
    return TRUE;
}

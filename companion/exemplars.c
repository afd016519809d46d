/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "exemplars.h"

#include "command.h"
#include "frames.h"

#include <gio/gio.h>
#include <string.h>

#define NUMBER "([-+0-9.eE]+)"
#define SYNTAX "LABEL=X,Y,WIDTH,HEIGHT[@SOURCE[#frame=N]]"

static void
exemplar_free(gpointer data)
{
    Exemplar *exemplar = data;

    g_free(exemplar->text);
    g_free(exemplar->label);
    g_clear_pointer(&exemplar->source, source_free);
    g_free(exemplar);
}

static gboolean
parse_number(const GMatchInfo *match, gint group, gfloat *value)
{
    g_autofree gchar *text = g_match_info_fetch(match, group);
    gchar *end;

    *value = (gfloat)g_ascii_strtod(text, &end);
    return *text && !*end;
}

static gboolean
parse_box(const GMatchInfo *match, Exemplar *exemplar, GError **error)
{
    DinoR1Box *box = &exemplar->box;

    if (!parse_number(match, 2, &box->x) || !parse_number(match, 3, &box->y) || !parse_number(match, 4, &box->width) ||
        !parse_number(match, 5, &box->height)) {
        g_set_error(error, USAGE_ERROR, 0, "prompt '%s': X,Y,WIDTH,HEIGHT must be numbers", exemplar->text);
        return FALSE;
    }
    if (!(box->width > 0) || !(box->height > 0)) {
        g_set_error(error, USAGE_ERROR, 0, "prompt '%s': the box's width and height must be above 0", exemplar->text);
        return FALSE;
    }
    return TRUE;
}

/* @place is "@SOURCE", "#FRAGMENT" or "". */
static gboolean
parse_place(Exemplar *exemplar, const gchar *place, const Source *default_source, GError **error)
{
    g_autofree gchar *text = NULL;

    if (*place == '@')
        text = g_strdup(place + 1);
    else if (default_source)
        text = *place ? g_strconcat(default_source->name, place, NULL) : g_strdup(default_source->text);
    else {
        g_set_error(error, USAGE_ERROR, 0, "prompt '%s': say which picture it is in: %s", exemplar->text, SYNTAX);
        return FALSE;
    }
    exemplar->source = source_parse(text, error);
    if (!exemplar->source)
        g_prefix_error(error, "prompt '%s': ", exemplar->text);
    return exemplar->source != NULL;
}

static Exemplar *
parse_exemplar(const GRegex *syntax, const gchar *text, const Source *default_source, GError **error)
{
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree gchar *place = NULL;
    Exemplar *exemplar;

    if (!g_utf8_validate(text, -1, NULL) || !g_regex_match(syntax, text, 0, &match)) {
        g_set_error(
            error, USAGE_ERROR, 0, "prompt '%s': expected '%s', such as 'cup=120,80,40,60@desk.jpg'", text, SYNTAX);
        return NULL;
    }
    place = g_match_info_fetch(match, 6);
    exemplar = g_new0(Exemplar, 1);
    exemplar->text = g_strdup(text);
    exemplar->label = g_match_info_fetch(match, 1);
    if (parse_box(match, exemplar, error) && parse_place(exemplar, place ? place : "", default_source, error))
        return exemplar;
    exemplar_free(exemplar);
    return NULL;
}

GPtrArray *
exemplars_parse(gchar **texts, const Source *default_source, GError **error)
{
    g_autoptr(GPtrArray) exemplars = g_ptr_array_new_with_free_func(exemplar_free);
    g_autoptr(GRegex) syntax =
        g_regex_new("^(.+?)=" NUMBER "," NUMBER "," NUMBER "," NUMBER "(@.+|#.+)?$", G_REGEX_OPTIMIZE, 0, NULL);

    for (; texts && *texts; texts++) {
        Exemplar *exemplar = parse_exemplar(syntax, *texts, default_source, error);

        if (!exemplar)
            return NULL;
        g_ptr_array_add(exemplars, exemplar);
    }
    return g_steal_pointer(&exemplars);
}

gboolean
text_prompts_add(DinoR1PromptBank *bank, gchar **texts, GError **error)
{
    for (; texts && *texts; texts++) {
        const gchar *equals = strchr(*texts, '=');
        g_autofree gchar *label = equals ? g_strndup(*texts, (gsize)(equals - *texts)) : g_strdup(*texts);

        if (!dinor1_prompt_bank_add_text(bank, label, equals ? equals + 1 : *texts, error))
            return FALSE;
    }
    return TRUE;
}

/* The embeddings of the exemplars of one run, and where they came from. */
typedef struct {
    const GPtrArray *exemplars;
    gint size;          /* D */
    gfloat *embeddings; /* [exemplars][D] */
    gchar **names;      /* [exemplars]: the sources' names, NULL where not embedded yet */
    gint64 *frames;     /* [exemplars] */
} Embeddings;

static void
embeddings_clear(Embeddings *embeddings)
{
    for (guint i = 0; i < embeddings->exemplars->len; i++)
        g_free(embeddings->names[i]);
    g_free(embeddings->names);
    g_free(embeddings->frames);
    g_free(embeddings->embeddings);
}

static gboolean
check_box(const Exemplar *exemplar, const DinoR1Image *image, GError **error)
{
    const DinoR1Box *box = &exemplar->box;

    if (box->x < image->width && box->y < image->height && box->x + box->width > 0 && box->y + box->height > 0)
        return TRUE;
    g_set_error(error, USAGE_ERROR, 0, "prompt '%s': the box is outside of the picture, which is %dx%d", exemplar->text,
        image->width, image->height);
    return FALSE;
}

/* Embeds all boxes of the frame that exemplar @first is in. */
static gboolean
embed_frame(Embeddings *embeddings, guint first, const Frame *frame, DinoR1Detector *detector, GError **error)
{
    const Exemplar *const *exemplars = (const Exemplar *const *)embeddings->exemplars->pdata;
    const guint n = embeddings->exemplars->len;
    const Source *source = exemplars[first]->source;
    const gsize size = (gsize)embeddings->size;
    g_autofree DinoR1Box *boxes = g_new(DinoR1Box, n);
    g_autofree guint *members = g_new(guint, n);
    g_autofree gfloat *result = g_new(gfloat, n * size);
    guint n_members = 0;

    for (guint i = first; i < n; i++) {
        if (strcmp(exemplars[i]->source->text, exemplars[first]->source->text))
            continue;
        if (!check_box(exemplars[i], &frame->image, error))
            return FALSE;
        boxes[n_members] = exemplars[i]->box;
        members[n_members++] = i;
    }
    if (!dinor1_detector_embed(detector, &frame->image, boxes, n_members, result, error)) {
        g_prefix_error(error, "prompt '%s': ", exemplars[first]->text);
        return FALSE;
    }
    for (guint j = 0; j < n_members; j++) {
        memcpy(embeddings->embeddings + members[j] * size, result + j * size, size * sizeof *result);
        embeddings->names[members[j]] = g_strdup(source->time < 0 ? source->name : source->text);
        embeddings->frames[members[j]] = frame->number;
    }
    return TRUE;
}

static gboolean
embed_source(Embeddings *embeddings, guint first, DinoR1Detector *detector, GError **error)
{
    const Exemplar *exemplar = embeddings->exemplars->pdata[first];
    g_autoptr(FrameReader) reader = frame_reader_new(exemplar->source, error);
    const Frame *frame;

    if (!reader || !frame_reader_next(reader, &frame, error)) {
        g_prefix_error(error, "prompt '%s': ", exemplar->text);
        return FALSE;
    }
    if (!frame) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "prompt '%s': interrupted", exemplar->text);
        return FALSE;
    }
    return embed_frame(embeddings, first, frame, detector, error);
}

static gboolean
add_to_bank(const Embeddings *embeddings, DinoR1PromptBank *bank, GError **error)
{
    for (guint i = 0; i < embeddings->exemplars->len; i++) {
        const Exemplar *exemplar = embeddings->exemplars->pdata[i];
        const DinoR1ExemplarInfo info = {embeddings->names[i], embeddings->frames[i], exemplar->box};

        if (!dinor1_prompt_bank_add_exemplar(
                bank, exemplar->label, embeddings->embeddings + i * (gsize)embeddings->size, &info, error)) {
            g_prefix_error(error, "prompt '%s': ", exemplar->text);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
exemplars_add(const GPtrArray *exemplars, DinoR1Detector *detector, DinoR1PromptBank *bank, GError **error)
{
    const gint size = dinor1_model_get_embedding_size(dinor1_detector_get_model(detector));
    Embeddings embeddings = {
        .exemplars = exemplars,
        .size = size,
        .embeddings = g_new(gfloat, exemplars->len * (gsize)size),
        .names = g_new0(gchar *, exemplars->len),
        .frames = g_new(gint64, exemplars->len),
    };
    gboolean done = TRUE;

    for (guint i = 0; done && i < exemplars->len; i++)
        done = embeddings.names[i] || embed_source(&embeddings, i, detector, error);
    done = done && add_to_bank(&embeddings, bank, error);
    embeddings_clear(&embeddings);
    return done;
}

/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * detect MODEL PICTURE.ppm X Y WIDTH HEIGHT: finds what looks like the box.
 */
#include <dinor1/dinor1.h>
#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *ppm = NULL;
    gsize size = 0;
    gint width = 0, height = 0, start = 0;
    if (argc != 7 || !g_file_get_contents(argv[2], &ppm, &size, &error) ||
        sscanf(ppm, "P6 %d %d 255%n", &width, &height, &start) != 2 || size < start + 1 + 3 * (gsize)width * height)
        return 2;
    DinoR1Image image = {.format = DINOR1_PIXEL_RGB,
        .width = width,
        .height = height,
        .planes = {(guint8 *)ppm + start + 1},
        .strides = {3 * width}};
    DinoR1Box box = {atof(argv[3]), atof(argv[4]), atof(argv[5]), atof(argv[6])};
    DinoR1DetectionList found;
    g_autoptr(DinoR1Model) model = dinor1_model_load(argv[1], &error);
    g_autoptr(DinoR1Detector) detector = model ? dinor1_detector_new(model, NULL, &error) : NULL;
    g_autoptr(DinoR1PromptBank) bank = model ? dinor1_prompt_bank_new(model) : NULL;
    if (!detector || !dinor1_detector_add_prompt(detector, bank, "it", &image, &box, NULL, &error) ||
        !dinor1_detector_set_prompts(detector, bank, &error))
        return fprintf(stderr, "%s\n", error->message), 1;
    dinor1_detector_set_threshold(detector, 0.01f);
    if (!dinor1_detector_detect(detector, &image, &found, &error))
        return fprintf(stderr, "%s\n", error->message), 1;
    for (guint i = 0; i < found.n_items; i++)
        printf("%.3f %.0f %.0f %.0f %.0f\n", found.items[i].score, found.items[i].box.x, found.items[i].box.y,
            found.items[i].box.width, found.items[i].box.height);
    return 0;
}

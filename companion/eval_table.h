/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <dinor1/eval.h>

G_BEGIN_DECLS

/* Prints the figures, and the classes that have boxes with the best AP first, to standard output. */
void eval_print(const DinoR1Eval *eval, const DinoR1Coco *coco);

/* Writes the same as JSON: {"figures": {"AP": …}, "classes": [{"name": …, "AP": …}, …]}. "-": standard output. */
gboolean eval_write_json(const DinoR1Eval *eval, const DinoR1Coco *coco, const gchar *path, GError **error);

/* The figures of several sets, a row each. */
typedef struct _EvalListTable EvalListTable;

/* @prints: the rows go to standard output as they come */
EvalListTable *eval_list_table_new(gboolean prints);
void eval_list_table_free(EvalListTable *table);

/* @name must live as long as @table. */
void eval_list_table_add(EvalListTable *table, const gchar *name, const DinoR1Eval *eval, const DinoR1Coco *coco);
void eval_list_table_add_missing(EvalListTable *table, const gchar *name);

/* Prints the average, and writes everything as JSON: {"sets": [{"name": …, "figures": …, "classes": …}, …], "average":
 * …, "averaged": N}. @json_path may be NULL. */
gboolean eval_list_table_end(EvalListTable *table, const gchar *json_path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EvalListTable, eval_list_table_free)

G_END_DECLS

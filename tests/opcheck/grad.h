/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "graph/graph.h"
#include "opcheck.h"

/* A graph whose gradients are to be checked. Its loss is the sum of what it makes, weighted at random. */
typedef struct {
    DinoR1Graph *graph;
    guint n_inputs;
    DinoR1Tensor *inputs[DINOR1_MAX_INPUTS];
    DinoR1View values[DINOR1_MAX_INPUTS]; /* of the inputs */
    gboolean wanted[DINOR1_MAX_INPUTS];
    gboolean even; /* all weights 1 */
    guint64 seed;
    guint n_forward; /* nodes up to the loss */
    DinoR1Tensor *loss;
    DinoR1Tensor *gradients[DINOR1_MAX_INPUTS];
} GradGraph;

/* An input to differentiate by, and one that is not. */
DinoR1Tensor *opcheck_grad_input(GradGraph *g, DinoR1Shape shape, OpFill fill);
DinoR1Tensor *opcheck_grad_fixed(GradGraph *g, DinoR1Shape shape, OpFill fill);

/* Appends what is to be differentiated. */
typedef DinoR1Tensor *(*GradBuildFunc)(GradGraph *g, gconstpointer data);

/* With the backward pass. NULL with @why (transfer full) if something does not fit. */
GradGraph *opcheck_grad_new(const gchar *name, GradBuildFunc build, gconstpointer data, gboolean even, gchar **why);
void opcheck_grad_free(GradGraph *g);

/* Evaluates the first @n_nodes of a graph in double precision. */
typedef struct {
    DinoR1Graph *graph;
    DinoR1CpuKernels kernels;
    gpointer *data; /* by tensor: doubles or i32 */
} GradEvaluation;

GradEvaluation *opcheck_evaluation_new(const GradGraph *g);
void opcheck_evaluation_free(GradEvaluation *evaluation);
void opcheck_evaluation_run(GradEvaluation *evaluation, guint n_nodes);

/* Single precision: the gradients of the inputs on the references, NULL where there is none. Takes the graph. */
gboolean opcheck_grad_run(GradGraph *g, gfloat **gradients, GError **error);

/* The graph's gradients in double precision against differences, and in single precision against double. Returns NULL,
 * or (transfer full) where they part. */
gchar *opcheck_grad_check(const gchar *name, GradBuildFunc build, gconstpointer data);

/* The gradients of ops, one by one; of chains; and at kinks, against values worked out by hand. */
void opcheck_grad_ops(OpCount *count);
void opcheck_grad_chains(OpCount *count);
void opcheck_grad_kinks(OpCount *count);

/* Fills the kernels with references that take doubles for f32. */
void opcheck_reference_double(DinoR1CpuKernels *kernels);

/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "backend/cuda/blas.h"

#include <cublasLt.h>

/* What NVIDIA recommends for Hopper; smaller devices use less of it. */
#define WORKSPACE ((size_t)32 << 20)

struct DinoR1CudaBlas {
    cublasLtHandle_t handle;
    void *workspace;
};

DinoR1CudaBlas *
dinor1_cuda_blas_new(gchar **why)
{
    DinoR1CudaBlas *blas = g_new0(DinoR1CudaBlas, 1);
    const cublasStatus_t status = cublasLtCreate(&blas->handle);

    if (status == CUBLAS_STATUS_SUCCESS && cudaMalloc(&blas->workspace, WORKSPACE) == cudaSuccess)
        return blas;
    *why = g_strdup_printf("cublasLt: %s",
        status == CUBLAS_STATUS_SUCCESS ? "no memory for its workspace" : cublasLtGetStatusString(status));
    dinor1_cuda_blas_free(blas);
    return NULL;
}

void
dinor1_cuda_blas_free(DinoR1CudaBlas *blas)
{
    if (!blas)
        return;
    cudaFree(blas->workspace);
    if (blas->handle)
        cublasLtDestroy(blas->handle);
    g_free(blas);
}

namespace
{

cudaDataType_t
storage(DinoR1DType dtype)
{
    return dtype == DINOR1_F16 ? CUDA_R_16F : dtype == DINOR1_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* A plan of one product. cuBLASLt counts column-major: our row-major out = a . b is its out^T = b^T . a^T, so b comes
 * first and a row of ours is a column of its. */
struct Plan {
    cublasLtMatmulDesc_t product = NULL;
    cublasLtMatrixLayout_t a = NULL, b = NULL, out = NULL;
    cublasLtMatmulPreference_t preference = NULL;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;

    ~Plan()
    {
        if (preference)
            cublasLtMatmulPreferenceDestroy(preference);
        for (cublasLtMatrixLayout_t layout : {a, b, out})
            if (layout)
                cublasLtMatrixLayoutDestroy(layout);
        if (product)
            cublasLtMatmulDescDestroy(product);
    }

    bool ok() const
    {
        return status == CUBLAS_STATUS_SUCCESS;
    }

    bool keep(cublasStatus_t next)
    {
        if (ok())
            status = next;
        return ok();
    }

    template <typename V> void set(cublasLtMatmulDescAttributes_t attribute, V value)
    {
        if (ok())
            keep(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value));
    }

    template <typename V> void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, V value)
    {
        if (ok())
            keep(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof value));
    }

    template <typename V>
    void set(cublasLtMatmulPreference_t preferences, cublasLtMatmulPreferenceAttributes_t attribute, V value)
    {
        if (ok())
            keep(cublasLtMatmulPreferenceSetAttribute(preferences, attribute, &value, sizeof value));
    }

    /* A matrix of @columns of ours, stored in @rows of them. */
    void make_layout(cublasLtMatrixLayout_t *layout, DinoR1DType dtype, gint64 rows, gint64 columns, gint64 ld,
        gint64 batch, gint64 stride)
    {
        if (!keep(cublasLtMatrixLayoutCreate(layout, storage(dtype), (uint64_t)columns, (uint64_t)rows, ld)))
            return;
        set(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)batch);
        set(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (int64_t)stride);
    }
};

cublasLtEpilogue_t
epilogue(const DinoR1CudaGemm *g)
{
    if (g->activation == DINOR1_ACT_RELU)
        return g->bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    if (g->activation == DINOR1_ACT_GELU)
        return g->bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    return g->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

void
describe(Plan *plan, const DinoR1CudaGemm *g, gboolean tf32)
{
    const cublasComputeType_t compute =
        tf32 && g->dtype == DINOR1_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;

    if (!plan->keep(cublasLtMatmulDescCreate(&plan->product, compute, CUDA_R_32F)))
        return;
    plan->set(CUBLASLT_MATMUL_DESC_TRANSA, g->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    plan->set(CUBLASLT_MATMUL_DESC_TRANSB, g->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    plan->set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(g));
    if (g->bias)
        plan->set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, g->bias);
    plan->make_layout(
        &plan->a, g->dtype, g->trans_a ? g->k : g->m, g->trans_a ? g->m : g->k, g->lda, g->batch, g->stride_a);
    plan->make_layout(
        &plan->b, g->dtype, g->trans_b ? g->n : g->k, g->trans_b ? g->k : g->n, g->ldb, g->batch, g->stride_b);
    plan->make_layout(&plan->out, g->out_dtype, g->m, g->n, g->ldc, g->batch, g->stride_out);
}

/* The largest power of 2, up to 256, that divides where a matrix starts. */
uint32_t
alignment(const void *address)
{
    const uintptr_t bits = reinterpret_cast<uintptr_t>(address) | 256;
    return (uint32_t)(bits & (~bits + 1));
}

void
make_preference(Plan *plan, const DinoR1CudaGemm *g)
{
    const size_t limit = WORKSPACE;

    if (!plan->ok() || !plan->keep(cublasLtMatmulPreferenceCreate(&plan->preference)))
        return;
    plan->set(plan->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, limit);
    plan->set(plan->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(g->b));
    plan->set(plan->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(g->a));
    plan->set(
        plan->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(g->residual ? g->residual : g->out));
    plan->set(plan->preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(g->out));
}

cublasStatus_t
multiply(DinoR1CudaBlas *blas, const DinoR1CudaGemm *g, gboolean tf32, cudaStream_t stream)
{
    const float beta = g->residual ? 1.0f : 0.0f;
    cublasLtMatmulHeuristicResult_t best;
    int n_found = 0;
    Plan plan;

    describe(&plan, g, tf32);
    make_preference(&plan, g);
    if (plan.ok())
        plan.keep(cublasLtMatmulAlgoGetHeuristic(
            blas->handle, plan.product, plan.b, plan.a, plan.out, plan.out, plan.preference, 1, &best, &n_found));
    if (plan.keep(n_found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED))
        plan.keep(cublasLtMatmul(blas->handle, plan.product, &g->alpha, g->b, plan.b, g->a, plan.a, &beta,
            g->residual ? g->residual : g->out, plan.out, g->out, plan.out, &best.algo, blas->workspace, WORKSPACE,
            stream));
    return plan.status;
}

} // namespace

void
dinor1_cuda_gemm(DinoR1CudaRun *run, const DinoR1CudaGemm *gemm)
{
    if (run->failure)
        return;
    const cublasStatus_t status = multiply(run->blas, gemm, run->tf32, run->stream);
    if (status == CUBLAS_STATUS_SUCCESS)
        return;
    g_autofree gchar *text =
        g_strdup_printf("cublasLt: %s (%s)", cublasLtGetStatusString(status), cublasLtGetStatusName(status));
    dinor1_cuda_fail(run, text, __FILE__, __LINE__);
}

/* Preloaded into the reference's llama-quantize: it then decides, refuses and writes headers as ever, but
 * quantizes nothing, so that plans can be compared with it in seconds. Keeps ggml's own assertions. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

size_t ggml_row_size(int type, int64_t ne);
bool ggml_quantize_requires_imatrix(int type);
size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t nrows,
                           int64_t n_per_row, const float *imatrix);
bool ggml_validate_row_data(int type, const void *data, size_t nbytes);

size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t nrows,
                           int64_t n_per_row, const float *imatrix)
{
    static const int without_quantizer[] = {9,  15, 24, 25,
                                            26, 27, 28}; /* q8_1, q8_K, integers, f64 */
    for (size_t i = 0; i < sizeof(without_quantizer) / sizeof(int); i++)
        if (type == without_quantizer[i])
            abort();
    if (ggml_quantize_requires_imatrix(type) && !imatrix)
        abort();
    return (size_t)nrows * ggml_row_size(type, n_per_row);
}

bool ggml_validate_row_data(int type, const void *data, size_t nbytes)
{
    return true;
}

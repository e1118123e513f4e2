# CUDA kernels: for nvcc, and for tests/emulator as C++. None of them includes torch.
set(cuda_kernels attention.cu embedding.cu grouped_product.cu kv_append.cu next_rows.cu paged_attention.cu pixels.cu
    row_summaries.cu rows.cu skinny.cu tiled_product.cu tiled_product_bulk.cu)
# What they need on the host.
set(cuda_host_sources qformer_layer.cpp)

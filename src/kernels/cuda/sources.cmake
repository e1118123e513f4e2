# CUDA kernels: for nvcc, and for tests/emulator as C++. None of them includes torch.
set(cuda_kernels attention.cu kv_append.cu paged_attention.cu rows.cu skinny.cu)

# Tests of kernels: in tests/emulator run by the emulator, in tests/cuda by a device.
set(kernel_tests attention_test.cpp chain_test.cpp embedding_test.cpp fused_chain_test.cpp
    grouped_product_test.cpp kv_append_test.cpp next_rows_test.cpp paged_attention_test.cpp pixels_test.cpp qformer_layer_test.cpp
    row_summaries_test.cpp rows_test.cpp skinny_test.cpp tiled_product_test.cpp)

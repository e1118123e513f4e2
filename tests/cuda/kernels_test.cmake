# The tests of kernels in tests/emulator on a device: g++ compiles them as for the emulator, and links what nvcc made of
# the kernels. With CUDA's runtime inside, the program runs wherever there is a driver. Tests skip where there is no device.
include(${PROJECT_SOURCE_DIR}/tests/emulator/sources.cmake)
list(TRANSFORM kernel_tests PREPEND ${PROJECT_SOURCE_DIR}/tests/emulator/)
set(cuda ${PROJECT_SOURCE_DIR}/src/kernels/cuda)
include(${cuda}/sources.cmake)
list(TRANSFORM cuda_host_sources PREPEND ${cuda}/)
find_library(INSTRUCTBLIP_CUDART_STATIC cudart_static HINTS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES} REQUIRED)

add_executable(cuda_kernels_test
  main.cpp device_memory.cpp device_runs.cpp mapped_memory.cpp repeated_runs_test.cpp times_test.cpp ${kernel_tests} ${cuda_host_sources}
  ${cuda}/emulator/mma.cpp  # numbers of 16 bits
  $<TARGET_OBJECTS:instructblip_cuda_kernels>)
instructblip_compile_options(cuda_kernels_test)
set_target_properties(cuda_kernels_test PROPERTIES LINKER_LANGUAGE CXX CUDA_RUNTIME_LIBRARY None)
target_include_directories(cuda_kernels_test PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                                                     ${PROJECT_SOURCE_DIR}/tests)
target_include_directories(cuda_kernels_test SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_link_options(cuda_kernels_test PRIVATE LINKER:--wrap=cudaLaunchKernelExC)
instructblip_link_components(cuda_kernels_test kernels decoding)
target_link_libraries(cuda_kernels_test PRIVATE GTest::gtest ${INSTRUCTBLIP_CUDART_STATIC} Threads::Threads ${CMAKE_DL_LIBS} rt)
gtest_discover_tests(cuda_kernels_test TEST_PREFIX cuda/ DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 LABELS cuda)

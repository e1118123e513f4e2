# CUDA by plain CMake, for the devices that kernels are written for; never by LibTorch's CMake files, whose flags and
# architectures an installed toolkit may not know. nvcc: CMAKE_CUDA_COMPILER, CUDACXX, the PATH or /usr/local/cuda.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  # And as PTX, which the driver compiles, for devices that are newer than both.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 80-virtual)
endif()
find_program(INSTRUCTBLIP_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  if(NOT INSTRUCTBLIP_NVCC)
    message(FATAL_ERROR "INSTRUCTBLIP_WITH_CUDA needs nvcc 13.0, which is neither in the PATH nor in /usr/local/cuda. "
                        "Install the CUDA toolkit, or name nvcc by -DCMAKE_CUDA_COMPILER=.")
  endif()
  set(CMAKE_CUDA_COMPILER ${INSTRUCTBLIP_NVCC})
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0)
  message(FATAL_ERROR "nvcc ${CMAKE_CUDA_COMPILER_VERSION} is too old, expected 13.0: LibTorch 2.11 is built with CUDA 13.")
endif()

add_library(instructblip_cudart INTERFACE)
target_include_directories(instructblip_cudart SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})

# LibTorch's libraries for CUDA. A machine that only compiles need not have them, 3 GB with what they are linked with:
# there an empty library of the same name takes their place for the linker, and the loader finds the real ones.
set(stand_ins ${PROJECT_BINARY_DIR}/cuda_stand_ins)
file(MAKE_DIRECTORY ${stand_ins})
set(found_libraries "")
foreach(name libc10_cuda.so libtorch_cuda.so libcudart.so.13)
  find_file(path_${name} ${name} NO_DEFAULT_PATH NO_CACHE
            PATHS ${torch_dir}/lib ${torch_dir}/../nvidia/cu13/lib)
  if(path_${name})
    list(APPEND found_libraries ${path_${name}})
  else()
    message(STATUS "CUDA: ${name} is not beside LibTorch: linked by name, to be found when it is opened")
    file(WRITE ${stand_ins}/empty.c "")
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -shared -x c ${stand_ins}/empty.c -Wl,-soname,${name}
                            -o ${stand_ins}/${name} COMMAND_ERROR_IS_FATAL ANY)
    list(APPEND found_libraries ${stand_ins}/${name})
  endif()
endforeach()
add_library(instructblip_torch_cuda INTERFACE)
target_link_libraries(instructblip_torch_cuda INTERFACE instructblip_torch_cpu)
# In the list of needed libraries whether or not a symbol asks for them: opening them registers the device's operations.
target_link_options(instructblip_torch_cuda INTERFACE
  LINKER:-z,undefs LINKER:--unresolved-symbols=ignore-all LINKER:--no-as-needed ${found_libraries}
  LINKER:--as-needed LINKER:-rpath,${torch_dir}/lib LINKER:-rpath,${torch_dir}/../nvidia/cu13/lib)

# LibTorch from PyTorch's wheel, as imported targets of our own.
#
# find_package(Torch) of a CUDA wheel demands a CUDA toolkit even for code that runs on the CPU and injects
# flags and architectures of its own; the CPU part needs nothing but libtorch_cpu, libc10 and headers.
if(INSTRUCTBLIP_TORCH_DIR)
  set(torch_dir ${INSTRUCTBLIP_TORCH_DIR})
else()
  set(torch_dir ${PROJECT_SOURCE_DIR}/.deps/torch)
endif()
foreach(needed include/ATen/core/Tensor.h lib/libtorch_cpu.so lib/libc10.so)
  if(NOT EXISTS ${torch_dir}/${needed})
    message(FATAL_ERROR "No LibTorch in ${torch_dir} (${needed} is missing). Run scripts/setup.sh, or set "
                        "INSTRUCTBLIP_TORCH_DIR to the torch folder of an installed PyTorch 2.11.")
  endif()
endforeach()
if(EXISTS ${torch_dir}/version.py)
  file(STRINGS ${torch_dir}/version.py torch_version REGEX "^__version__")
  if(NOT torch_version MATCHES "2\\.11\\.")
    message(WARNING "Exactness is tested with PyTorch 2.11; ${torch_dir} says ${torch_version}")
  endif()
endif()
set(INSTRUCTBLIP_TORCH_DIR_FOUND ${torch_dir} CACHE INTERNAL "")

foreach(name c10 torch_cpu)
  add_library(instructblip_${name} SHARED IMPORTED)
  set_target_properties(instructblip_${name} PROPERTIES
    IMPORTED_LOCATION ${torch_dir}/lib/lib${name}.so
    # The wheel also carries fmt, pybind11 and protobuf headers: searched last, they shadow nobody's.
    INTERFACE_COMPILE_OPTIONS "SHELL:-idirafter ${torch_dir}/include"
    INTERFACE_COMPILE_DEFINITIONS "AT_PER_OPERATOR_HEADERS")
endforeach()
set_target_properties(instructblip_torch_cpu PROPERTIES INTERFACE_LINK_LIBRARIES instructblip_c10)

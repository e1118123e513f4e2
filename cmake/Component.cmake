# instructblip_component(NAME SOURCES file... [DEPENDS component...] [LIBRARIES target...] [APART])
#
# One folder of src/ as an OBJECT library with hidden symbols, instructblip_NAME. DEPENDS is the complete
# list of components whose headers it may include; tests/structure holds the sources against it.
# LIBRARIES are linked PRIVATE: nobody who uses the component sees their headers. APART: its files define the same names
# for themselves, so that they are compiled one by one in any build.
function(instructblip_component name)
  cmake_parse_arguments(arg "APART" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  set(target instructblip_${name})
  add_library(${target} OBJECT ${arg_SOURCES})
  instructblip_compile_options(${target})
  if(INSTRUCTBLIP_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)  # tells a fuzzer which code an input reaches
  endif()
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
  instructblip_precompile(${target} ${arg_LIBRARIES} FLAGS -fPIC)
  if(NOT arg_APART)
    instructblip_join_sources(${target})
  endif()
  list(JOIN arg_DEPENDS " " depends)
  set_target_properties(${target} PROPERTIES INSTRUCTBLIP_DEPENDS "${arg_DEPENDS}"
                                             INSTRUCTBLIP_LIBRARIES "${arg_LIBRARIES}")
  set_property(GLOBAL APPEND PROPERTY INSTRUCTBLIP_COMPONENTS ${name})
  set_property(GLOBAL APPEND_STRING PROPERTY INSTRUCTBLIP_ARROWS "${name}: ${depends}\n")
endfunction()

# What every target of the project is compiled with.
function(instructblip_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                        VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                         -Woverloaded-virtual $<$<BOOL:${INSTRUCTBLIP_WERROR}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 warns of overlapping copies in string concatenation (GCC bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(INSTRUCTBLIP_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      # An offset from a null pointer that nobody follows: in loops over nothing. GCC lets it pass.
      target_compile_options(${target} PRIVATE -fno-sanitize=pointer-overflow)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # Instrumented code confuses this warning; a build without sanitizers gives it where it is due.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()

# instructblip_precompile(TARGET library... [FLAGS flag...]): LibTorch's headers, which take longer to read than most files of
# ours to compile, are read once for all targets that link it and have the same FLAGS, of which -fPIC or -fPIE is one.
function(instructblip_precompile target)
  cmake_parse_arguments(arg "" "" "FLAGS" ${ARGN})
  if(NOT INSTRUCTBLIP_PRECOMPILE OR NOT instructblip_torch_cpu IN_LIST arg_UNPARSED_ARGUMENTS)
    return()
  endif()
  string(MAKE_C_IDENTIFIER "instructblip_torch_headers${arg_FLAGS}" headers)
  if(NOT TARGET ${headers})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/torch_headers.cpp CONTENT "")
    add_library(${headers} OBJECT ${PROJECT_BINARY_DIR}/torch_headers.cpp)
    instructblip_compile_options(${headers})
    set_target_properties(${headers} PROPERTIES POSITION_INDEPENDENT_CODE OFF)  # as FLAGS say
    target_compile_options(${headers} PRIVATE ${arg_FLAGS})
    target_link_libraries(${headers} PRIVATE instructblip_torch_cpu)
    target_precompile_headers(${headers} PRIVATE <ATen/TensorOperators.h> <ATen/ops/cat.h> <algorithm> <functional> <map>
                                                 <memory> <optional> <span> <string> <vector>)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${headers})
endfunction()

# instructblip_join_sources(TARGET): with INSTRUCTBLIP_JOIN_SOURCES its files are compiled some at a time.
function(instructblip_join_sources target)
  if(INSTRUCTBLIP_JOIN_SOURCES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    target_compile_options(${target} PRIVATE -Wno-shadow)  # of a name that another file has for itself
  endif()
endfunction()

# instructblip_collect(VARIABLE component...): the components and all they depend on.
function(instructblip_collect variable)
  set(pending ${ARGN})
  set(found "")
  while(pending)
    list(POP_FRONT pending name)
    if(NOT name IN_LIST found)
      list(APPEND found ${name})
      get_target_property(depends instructblip_${name} INSTRUCTBLIP_DEPENDS)
      if(depends)
        list(APPEND pending ${depends})
      endif()
    endif()
  endwhile()
  set(${variable} ${found} PARENT_SCOPE)
endfunction()

# instructblip_link_these(TARGET component...): links the objects of these components and the libraries that they need.
function(instructblip_link_these target)
  foreach(name ${ARGN})
    target_link_libraries(${target} PRIVATE instructblip_${name})
    get_target_property(libraries instructblip_${name} INSTRUCTBLIP_LIBRARIES)
    if(libraries)
      target_link_libraries(${target} PRIVATE ${libraries})
    endif()
  endforeach()
endfunction()

# instructblip_link_components(TARGET component...): the same with all that the components depend on. For the shared
# library and for tests of internals.
function(instructblip_link_components target)
  instructblip_collect(names ${ARGN})
  instructblip_link_these(${target} ${names})
endfunction()

# instructblip_module(NAME ENTRY symbol): a library libinstructblip_NAME.so that is opened when it is first needed, laid
# where src/core/module.cpp looks for it. It shows its entry and nothing else.
function(instructblip_module name)
  cmake_parse_arguments(arg "" "ENTRY" "" ${ARGN})
  set(target instructblip_${name})
  add_library(${target} MODULE)
  instructblip_compile_options(${target})
  set(folder ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
  if(NOT folder)
    set(folder ${PROJECT_BINARY_DIR}/src)
  endif()
  set(symbols ${PROJECT_BINARY_DIR}/${target}.map)
  file(CONFIGURE OUTPUT ${symbols} CONTENT "{ global: ${arg_ENTRY}; local: *; };\n")
  set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${folder}/instructblip LINK_DEPENDS ${symbols})
  # The libraries that it came with count, whatever LD_LIBRARY_PATH names.
  target_link_options(${target} PRIVATE LINKER:--version-script=${symbols} LINKER:--disable-new-dtags)
  if(NOT INSTRUCTBLIP_SANITIZE)  # clang keeps its sanitizers' functions in the program
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
  set_property(GLOBAL APPEND PROPERTY INSTRUCTBLIP_MODULES ${target})
endfunction()

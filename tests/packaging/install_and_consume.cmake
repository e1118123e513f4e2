# Installs the build into a folder, moves that folder, and uses it as a stranger would. Run by ctest with
# BUILD_DIR, SOURCE_DIR, WORK_DIR, CONFIG, GENERATOR, CXX, PKG_CONFIG, LIBDIR, VERSION and WITH_OPENCV set.
set(prefix "${WORK_DIR}/moved here")

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  string(STRIP "${output}" output)
  set(output "${output}" PARENT_SCOPE)
endfunction()

# Fails where `text` says something that a user of the installed library must not need.
function(expect_no_private_dependency what text)
  string(REPLACE "${WORK_DIR}" "" text "${text}")
  string(REGEX MATCH "[^\n]*([Tt]orch|TORCH|[Cc]uda|CUDA|ATen|c10|nlohmann|/\\.deps)[^\n]*" found
         "${text}")
  if(found)
    message(FATAL_ERROR "${what} names what only the library itself needs:\n${found}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
run("cmake --install" ${CMAKE_COMMAND} --install ${BUILD_DIR} --config "${CONFIG}" --prefix ${WORK_DIR}/first)
file(RENAME ${WORK_DIR}/first "${prefix}")

# What was installed leads back neither to this project nor to what it was built from.
file(GLOB_RECURSE texts "${prefix}/include/*" "${prefix}/${LIBDIR}/*.cmake" "${prefix}/${LIBDIR}/*.pc")
list(LENGTH texts count)
if(count LESS 10)
  message(FATAL_ERROR "too little was installed: ${texts}")
endif()
foreach(file ${texts})
  file(READ ${file} text)
  foreach(folder ${SOURCE_DIR} ${BUILD_DIR} ${WORK_DIR}/first)
    string(FIND "${text}" "${folder}/" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} names ${folder}")
    endif()
  endforeach()
  if(file MATCHES "/include/")
    string(REGEX MATCHALL "#include [^\n]*" includes "${text}")
    expect_no_private_dependency(${file} "${includes}")
  endif()
endforeach()

# The installed command finds its libraries from where it lies now.
run("the installed command" "${prefix}/bin/instructblip" --version)
if(NOT output MATCHES "${VERSION}")
  message(FATAL_ERROR "the installed command reports '${output}', expected ${VERSION}")
endif()

# pkg-config. A path with a space in it is its weak point, so it gets one without.
file(CREATE_LINK "${prefix}" ${WORK_DIR}/link SYMBOLIC)
set(ENV{PKG_CONFIG_PATH} ${WORK_DIR}/link/${LIBDIR}/pkgconfig)
run("pkg-config" ${PKG_CONFIG} --cflags --libs instructblip)
expect_no_private_dependency("pkg-config" "${output}")
separate_arguments(flags UNIX_COMMAND "${output}")
run("the program built with pkg-config" ${CXX} -std=c++20 ${SOURCE_DIR}/tests/packaging/pkg_config/main.cpp ${flags}
    -Wl,-rpath,${WORK_DIR}/link/${LIBDIR} -o ${WORK_DIR}/pkg_config_program)
run("the program built with pkg-config" ${WORK_DIR}/pkg_config_program)
if(NOT output STREQUAL "${VERSION} not_found")
  message(FATAL_ERROR "the program built with pkg-config says '${output}'")
endif()

# A program that holds another LibTorch, linked before the library and seen by all.
if(WITH_OPENCV)
  run("building a stand-in for another LibTorch" ${CXX} -std=c++20 -shared -fPIC
      ${SOURCE_DIR}/tests/packaging/other_torch.cpp -o ${WORK_DIR}/libother_torch.so)
  run("the program with another LibTorch" ${CXX} -std=c++20 ${SOURCE_DIR}/examples/caption.cpp
      -Wl,--no-as-needed ${WORK_DIR}/libother_torch.so ${flags} -Wl,-rpath,${WORK_DIR}:${WORK_DIR}/link/${LIBDIR}
      -o ${WORK_DIR}/caption)
  set(model ${SOURCE_DIR}/models/tiny-t5)
  set(picture ${SOURCE_DIR}/models/scene.png)
  run("the installed command" "${prefix}/bin/instructblip" run --model ${model} --image ${picture}
      --instruction "A short image description:" --max-new-tokens 30 --num-beams 5)
  set(expected "${output}")
  run("the program with another LibTorch" ${WORK_DIR}/caption ${model} ${picture})
  if(expected STREQUAL "" OR NOT output STREQUAL expected)
    message(FATAL_ERROR "the program with another LibTorch answers '${output}', expected '${expected}'")
  endif()
endif()

# find_package, from a program with an OpenCV of its own.
if(WITH_OPENCV)
  set(consumer ${WORK_DIR}/consumer)
  run("configuring the consumer" ${CMAKE_COMMAND} -S ${SOURCE_DIR}/examples/consumer -B ${consumer} -G ${GENERATOR}
      -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
      "-DCMAKE_PREFIX_PATH=${prefix}")
  run("building the consumer" ${CMAKE_COMMAND} --build ${consumer})
  file(READ ${consumer}/compile_commands.json commands)
  expect_no_private_dependency("the consumer's compile command" "${commands}")

  # It answers with what the reference answers.
  set(checkpoint ${SOURCE_DIR}/tests/golden/checkpoints/t5_2024)
  file(READ ${checkpoint}/golden.json golden)
  foreach(key image instruction)
    string(JSON ${key} GET "${golden}" requests 0 ${key})
  endforeach()
  string(JSON expected GET "${golden}" requests 0 sequences 0 text)
  run("the consumer" ${consumer}/consumer ${checkpoint} ${SOURCE_DIR}/tests/data/images/${image} "${instruction}")
  if(expected STREQUAL "" OR NOT output STREQUAL expected)
    message(FATAL_ERROR "the consumer answers '${output}', expected '${expected}'")
  endif()
endif()

file(REMOVE_RECURSE "${WORK_DIR}")

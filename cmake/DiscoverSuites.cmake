# instructblip_discover_suites(TARGET TIMEOUT seconds LABEL label): one test for each suite of a GoogleTest program. One
# for each TEST, as gtest_discover_tests makes them, starts a process each, which takes longer than most of them where
# LibTorch is loaded. A failing case is named in the test's output.
#
# Run as a script, with -P: lists the suites of PROGRAM into FILE, which ctest includes.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  execute_process(COMMAND "${PROGRAM}" --gtest_list_tests OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" " " listing "${listing}")
  string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\.[ \n]" lines "${listing}")
  set(script "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "[\n .]" "" suite "${line}")
    string(APPEND script "add_test([=[${suite}]=] [=[${PROGRAM}]=] \"--gtest_filter=${suite}.*\" --gtest_brief=1)\n"
           "set_tests_properties([=[${suite}]=] PROPERTIES TIMEOUT ${TIMEOUT} LABELS \"${LABEL}\""
           " SKIP_REGULAR_EXPRESSION [=[PASSED  \\] 0 tests]=])\n")
  endforeach()
  file(WRITE "${FILE}" "${script}")
  return()
endif()

set(instructblip_discover_suites_script ${CMAKE_CURRENT_LIST_FILE})

function(instructblip_discover_suites target)
  cmake_parse_arguments(arg "" "TIMEOUT;LABEL" "" ${ARGN})
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
  add_custom_command(TARGET ${target} POST_BUILD BYPRODUCTS ${file} VERBATIM
    COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:${target}> -D FILE=${file} -D TIMEOUT=${arg_TIMEOUT}
            -D LABEL=${arg_LABEL} -P ${instructblip_discover_suites_script})
  file(WRITE ${file}.include "if(EXISTS [=[${file}]=])\n  include([=[${file}]=])\nelse()\n"
       "  add_test(${target}_NOT_BUILT ${target}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file}.include)
endfunction()

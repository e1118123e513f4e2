# cmake --install: the library, its headers, a CMake package, a pkg-config file, and the LibTorch it runs on.
#
# Nothing of torch, CUDA or nlohmann_json is asked of who uses the installed library: no public header names them.
include(CMakePackageConfigHelpers)
get_property(modules GLOBAL PROPERTY INSTRUCTBLIP_MODULES)
option(INSTRUCTBLIP_BUNDLE_TORCH
       "Install LibTorch's libraries beside the library; OFF refers to where they are now" ON)

if(TARGET instructblip_cuda)
  if(INSTRUCTBLIP_BUNDLE_TORCH)
    message(STATUS "CUDA: installed with INSTRUCTBLIP_BUNDLE_TORCH=OFF only, beside a LibTorch that has its part for CUDA")
    list(REMOVE_ITEM modules instructblip_cuda)
  else()
    set_target_properties(instructblip_cuda PROPERTIES INSTALL_RPATH
                          "$ORIGIN/..;${INSTRUCTBLIP_TORCH_DIR_FOUND}/lib;${INSTRUCTBLIP_TORCH_DIR_FOUND}/../nvidia/cu13/lib")
  endif()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/instructblip)
set(bundle_dir ${CMAKE_INSTALL_LIBDIR}/instructblip)
if(INSTRUCTBLIP_BUNDLE_TORCH)
  set_target_properties(instructblip_stages PROPERTIES INSTALL_RPATH "$ORIGIN/..;$ORIGIN")
  # What libtorch_cpu.so needs, wherever a wheel keeps it, but for what comes with the system.
  install(IMPORTED_RUNTIME_ARTIFACTS instructblip_torch_cpu instructblip_c10
          RUNTIME_DEPENDENCY_SET instructblip_torch_runtime LIBRARY DESTINATION ${bundle_dir})
  install(RUNTIME_DEPENDENCY_SET instructblip_torch_runtime
          PRE_EXCLUDE_REGEXES "^ld-linux"
          POST_EXCLUDE_REGEXES "^/(usr/)?lib(64)?/([^/]*-linux-gnu[^/]*/)?[^/]*$"
          LIBRARY DESTINATION ${bundle_dir})
  install(DIRECTORY ${INSTRUCTBLIP_TORCH_DIR_FOUND}/licenses OPTIONAL
          DESTINATION ${CMAKE_INSTALL_DOCDIR}/torch)
else()
  set_target_properties(instructblip_stages PROPERTIES INSTALL_RPATH "$ORIGIN/..;${INSTRUCTBLIP_TORCH_DIR_FOUND}/lib")
endif()

install(TARGETS instructblip EXPORT instructblip
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILE_SET adapters DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS ${modules} LIBRARY DESTINATION ${bundle_dir})
if(INSTRUCTBLIP_BUNDLE_TORCH)
  # Another LibTorch may be in a process that uses this library; see tools/bundle/make_private.cpp.
  add_subdirectory(tools/bundle)
  install(CODE "
    set(bundle \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${bundle_dir}\")
    execute_process(COMMAND \"$<TARGET_FILE:instructblip_make_private>\" \"\${bundle}/libc10.so\" \"\${bundle}/libtorch_cpu.so\"
                            -- \"\${bundle}/$<TARGET_FILE_NAME:instructblip_stages>\" COMMAND_ERROR_IS_FATAL ANY)
    list(TRANSFORM CMAKE_INSTALL_MANIFEST_FILES REPLACE \"/lib(c10|torch_cpu)\\\\.so\$\" \"/ib_\\\\1.so\")")
endif()
install(EXPORT instructblip FILE instructblipTargets.cmake NAMESPACE instructblip::
        DESTINATION ${package_dir})
configure_package_config_file(cmake/instructblipConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/instructblipConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may break.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/instructblipConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/instructblipConfig.cmake
              ${PROJECT_BINARY_DIR}/instructblipConfigVersion.cmake DESTINATION ${package_dir})

# Relative, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_from_pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig ${prefix_from_pkgconfig})
configure_file(cmake/instructblip.pc.in ${PROJECT_BINARY_DIR}/instructblip.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/instructblip.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Debian's libsentencepiece-dev ships no CMake package, only pkg-config.
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)
if(NOT TARGET instructblip_sentencepiece)
  add_library(instructblip_sentencepiece INTERFACE IMPORTED)
  set_target_properties(instructblip_sentencepiece PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES ${SENTENCEPIECE_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES ${SENTENCEPIECE_LIBRARY})
endif()

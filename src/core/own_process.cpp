#include "core/own_process.h"

#include "instructblip/error.h"

namespace instructblip {

void OwnProcess::require() const {
  if (is_this()) return;
  throw Error(
      ErrorCode::unsupported,
      "this process was made by fork() after the model was loaded: the threads that compute "
      "are the parent's alone",
      "load the model after fork(), or start processes with exec or posix_spawn");
}

}  // namespace instructblip

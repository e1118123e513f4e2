// The boundary of every public call: nothing but Error leaves the library, except what a caller's
// own callback throws.
#pragma once

#include <new>
#include <utility>

#include "instructblip/error.h"

namespace instructblip {

// Calls `call`. What LibTorch throws has become an Error already, see interface/guarded.h.
template <typename Call>
auto at_boundary(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "out of memory");
  }
}

}  // namespace instructblip
